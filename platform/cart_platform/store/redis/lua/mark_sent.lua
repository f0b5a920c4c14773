#!lua flags=allow-oom
-- Takes events out of the outbox; from here on they are kept for the retention only.
--
-- KEYS: outbox, counts; the events
-- ARGV: retention in milliseconds; the entry ids of the events
-- Runs without memory to spare as well, because it frees some.

local outbox, counts, retention = KEYS[1], KEYS[2], ARGV[1]

local sent = redis.call('XDEL', outbox, unpack(ARGV, 2))
for position = 3, #KEYS do
  redis.call('PEXPIRE', KEYS[position], retention)
end
if sent > 0 then
  redis.call('HINCRBY', counts, 'sent', sent)
end
