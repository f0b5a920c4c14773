#!lua flags=allow-oom
-- Forgets the events of the log that are older than the retention, never one that waits to be sent or is younger than
-- one that does.
--
-- KEYS: log, outbox
-- ARGV: retention in milliseconds
-- Returns how many were forgotten. Runs without memory to spare as well, because it frees some.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local oldest_kept = string.format('%.0f-0', math.max(0, now - tonumber(ARGV[1]) + 1))

local unsent = redis.call('XRANGE', KEYS[2], '-', '(' .. oldest_kept, 'COUNT', 1)[1]
return redis.call('XTRIM', KEYS[1], 'MINID', '=', unsent and unsent[1] or oldest_kept)
