#!lua flags=allow-oom
-- Gives all shards of a relay back.
--
-- KEYS: relays, holders (see hold_shards.lua)
-- ARGV: relay

local relays, holders, relay = KEYS[1], KEYS[2], ARGV[1]

redis.call('ZREM', relays, relay)
local fields = redis.call('HGETALL', holders)
for position = 1, #fields, 2 do
  if fields[position + 1] == relay then
    redis.call('HDEL', holders, fields[position])
  end
end
