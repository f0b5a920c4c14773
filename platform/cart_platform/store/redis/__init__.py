"""The store on Redis: Lua scripts over keys of one hash tag a shard."""

from cart_platform.store.redis.store import RedisStore

__all__ = ["RedisStore"]
