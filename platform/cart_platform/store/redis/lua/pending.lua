#!lua flags=no-writes
-- The oldest events that wait to be sent, in the order in which they were appended.
--
-- KEYS: log, outbox
-- ARGV: how many at most
-- Returns for each its entry id and its body, one after the other.

local found = {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', ARGV[1])) do
  local at = entry[1]
  found[#found + 1] = at
  found[#found + 1] = redis.call('XRANGE', KEYS[1], at, at)[1][2][2]
end
return found
