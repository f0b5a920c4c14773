#!lua flags=no-writes
-- Reads carts and what is remembered of idempotency keys, all at one moment.
--
-- KEYS: log; the carts; the idempotency keys
-- ARGV: number of carts
-- Returns the carts as stored (false: none), then for each idempotency key {fingerprint, body of its event} (false:
-- unknown, or its event is trimmed).

local carts = tonumber(ARGV[1])

local function remembered(key)
  local memory = redis.call('GET', key)
  if not memory then
    return false
  end
  local fingerprint, at = string.match(memory, '^(%S+) (%S+)$')
  local entry = redis.call('XRANGE', KEYS[1], at, at)[1]
  return entry and { fingerprint, entry[2][2] }
end

local found = {}
for cart = 1, carts do
  found[cart] = redis.call('GET', KEYS[1 + cart])
end
for position = carts + 1, #KEYS - 1 do
  found[position] = remembered(KEYS[1 + position]) or false
end
return found
