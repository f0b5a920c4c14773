#!lua flags=allow-oom
-- Holds a fair share of the shards for a relay. A shard belongs to its holder for as long as that relay is registered,
-- and each call registers the caller anew.
--
-- KEYS: relays (sorted set: relay, by the millisecond at which its lease ends), holders (hash: shard to relay)
-- ARGV: relay, lease in milliseconds, number of shards
-- Returns the shards that the relay holds.

local relays, holders = KEYS[1], KEYS[2]
local relay, lease, shards = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', relays, '-inf', now)
redis.call('ZADD', relays, now + lease, relay)
local share = math.ceil(shards / redis.call('ZCARD', relays))

local held, free = {}, {}
for shard = 0, shards - 1 do
  local holder = redis.call('HGET', holders, shard)
  if holder == relay and #held < share then
    held[#held + 1] = shard
  elseif holder == relay then
    redis.call('HDEL', holders, shard)
  elseif not holder or not redis.call('ZSCORE', relays, holder) then
    free[#free + 1] = shard
  end
end
for position = 1, math.min(#free, share - #held) do
  redis.call('HSET', holders, free[position], relay)
  held[#held + 1] = free[position]
end
return held
