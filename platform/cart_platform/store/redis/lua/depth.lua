#!lua flags=no-writes
-- How many events wait to be sent, and for how many milliseconds the oldest of them has waited.
--
-- KEYS: outbox

local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
if not oldest then
  return { 0, 0 }
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return { redis.call('XLEN', KEYS[1]), math.max(0, now - tonumber(string.match(oldest[1], '^%d+'))) }
