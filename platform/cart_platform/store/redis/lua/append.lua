#!lua
-- Appends the events of a batch and changes their carts, each cart only if it still has the version that was read.
--
-- KEYS: log, outbox, counts; for each cart: the cart, then for each of its events the event and the idempotency key
--       (the event again where there is none)
-- ARGV: milliseconds for which idempotency keys are remembered; as MessagePack for each cart {version that was read,
--       the cart as it becomes, events}, where an event is {id, type, body, fingerprint of its command (empty without
--       an idempotency key)}
-- Returns for each cart 1, or 0 when it was changed by somebody else and nothing of it was written.

local log, outbox, counts = KEYS[1], KEYS[2], KEYS[3]
local retention, carts = ARGV[1], cmsgpack.unpack(ARGV[2])
local appended = {}

local function version_of(cart)
  return tonumber(string.match(redis.call('GETRANGE', cart, 0, 15), '^%d+') or 0)
end

local function append(event, key, id, type, body, fingerprint)
  local at = redis.call('XADD', log, '*', 'event', body)
  redis.call('XADD', outbox, at, 'id', id)
  redis.call('HSET', event, 'at', at)
  if fingerprint ~= '' then
    redis.call('SET', key, fingerprint .. ' ' .. at, 'PX', retention)
  end
  appended[type] = (appended[type] or 0) + 1
end

local answers, key = {}, 4
for position, cart in ipairs(carts) do
  local version, value, events = unpack(cart)
  if version_of(KEYS[key]) == version then
    redis.call('SET', KEYS[key], value)
    for number, event in ipairs(events) do
      append(KEYS[key + 2 * number - 1], KEYS[key + 2 * number], unpack(event))
    end
    answers[position] = 1
  else
    -- An attempt whose answer was lost on the way is sent again: the race was lost to oneself if the event is there.
    answers[position] = redis.call('HEXISTS', KEYS[key + 1], 'at')
  end
  key = key + 1 + 2 * #events
end
for type, number in pairs(appended) do
  redis.call('HINCRBY', counts, 'appended:' .. type, number)
end
return answers
