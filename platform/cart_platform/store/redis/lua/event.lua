#!lua flags=no-writes
-- An event of the log.
--
-- KEYS: log, outbox, the event
-- Returns its body, 1 if it waits to be sent and 0 if not, and the fields kept with it; false when there is none.

local at = redis.call('HGET', KEYS[3], 'at')
local entry = at and redis.call('XRANGE', KEYS[1], at, at)[1]
if not entry then
  return false
end
return { entry[2][2], #redis.call('XRANGE', KEYS[2], at, at), redis.call('HGETALL', KEYS[3]) }
