#!lua flags=allow-oom
-- Gives a claimant's claims back; those that others hold stay.
--
-- KEYS: the claims
-- ARGV: claimant

for _, claim in ipairs(KEYS) do
  if redis.call('GET', claim) == ARGV[1] then
    redis.call('DEL', claim)
  end
end
