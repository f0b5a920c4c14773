#!lua
-- Commits units of work of one handler: additions, follow-up events and result, once for each event.
--
-- KEYS: log, outbox, counts; for each unit: the event, the claim on it, then the projection of each addition and each
--       follow-up event
-- ARGV: handler, milliseconds for which results are kept; as MessagePack for each unit {result, additions, follow-up
--       events}, where an addition is {key, amount} and a follow-up event {id, type, body}
-- Returns for each unit false, or the result of an earlier commit, in which case nothing of the unit was applied.

local log, outbox, counts = KEYS[1], KEYS[2], KEYS[3]
local handler, retention, units = ARGV[1], ARGV[2], cmsgpack.unpack(ARGV[3])
local done, dead = 'done:' .. handler, 'dead:' .. handler

local function keep(event)
  -- GT leaves an event that waits to be sent without expiry; one that this store never appended gets its first.
  if redis.call('PEXPIRE', event, retention, 'GT') == 0 and redis.call('HEXISTS', event, 'at') == 0 then
    redis.call('PEXPIRE', event, retention)
  end
end

local function append(event, id, type, body)
  -- A follow-up has the same id whenever its event is handled, and may outlive the result of an earlier commit.
  if redis.call('HEXISTS', event, 'at') == 0 then
    local at = redis.call('XADD', log, '*', 'event', body)
    redis.call('XADD', outbox, at, 'id', id)
    redis.call('HSET', event, 'at', at)
    redis.call('PERSIST', event)
    redis.call('HINCRBY', counts, 'appended:' .. type, 1)
  end
end

local answers, claims, committed, revived, key = {}, {}, 0, 0, 4
for position, unit in ipairs(units) do
  local result, additions, follow_ups = unpack(unit)
  local event = KEYS[key]
  if redis.call('HSETNX', event, done, result) == 1 then
    keep(event)
    revived = revived + redis.call('HDEL', event, dead)
    for number, addition in ipairs(additions) do
      redis.call('ZINCRBY', KEYS[key + 1 + number], addition[2], addition[1])
    end
    for number, follow_up in ipairs(follow_ups) do
      append(KEYS[key + 1 + #additions + number], unpack(follow_up))
    end
    committed = committed + 1
    answers[position] = false
  else
    answers[position] = redis.call('HGET', event, done)
  end
  claims[position] = KEYS[key + 1]
  key = key + 2 + #additions + #follow_ups
end
redis.call('DEL', unpack(claims))
if committed > 0 then
  redis.call('HINCRBY', counts, done, committed)
end
if revived > 0 then
  redis.call('HINCRBY', counts, 'given_up:' .. handler, -revived)
end
return answers
