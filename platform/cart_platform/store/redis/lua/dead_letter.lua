#!lua
-- Keeps the result of an event that a handler gave up, unless it was done meanwhile.
--
-- KEYS: counts, the event
-- ARGV: handler, result, milliseconds for which results are kept

local counts, event = KEYS[1], KEYS[2]
local handler, result, retention = ARGV[1], ARGV[2], ARGV[3]

if redis.call('HEXISTS', event, 'done:' .. handler) == 1 then
  return
end
if redis.call('HSET', event, 'dead:' .. handler, result) == 1 then
  redis.call('HINCRBY', counts, 'given_up:' .. handler, 1)
end
-- GT leaves an event that waits to be sent without expiry; one that this store never appended gets its first.
if redis.call('PEXPIRE', event, retention, 'GT') == 0 and redis.call('HEXISTS', event, 'at') == 0 then
  redis.call('PEXPIRE', event, retention)
end
