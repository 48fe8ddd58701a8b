-- One resource's state, read from its hash (the first part of permit.lua and of snapshot.lua).
--
-- `state` has the fields by their names here; the hash keeps the short names to the right of them. They stay, because
-- processes of two releases share the hash during a deployment: a renamed field would be missing to the older one,
-- which would then grant too much.
--
-- KEYS 1 slots (zset: slot id -> free from), 2 state (hash)
-- ARGV 1 cjson request, 2 run of the server
local request = cjson.decode(ARGV[1])
local slots_key, state_key = KEYS[1], KEYS[2]
local time = redis.call('TIME')
local clock = time[1] * 1000000 + time[2]
local HOUR, DAY, IDLE = 3600000000, 86400000000, 1800000000

local STORED_NAMES = {
  born = 'b',  -- when the state was made, on the store's own clock; all other times count from then
  limit = 'n',
  window = 'w',
  paced_until = 'tat',
  unused_from = 'probe',  -- the score of slots never used, until the first answer
  reports_fence = 'rf',  -- no report frees a slot before
  -- day.lua
  day_limit = 'dl',
  day_remaining = 'dr',
  day_ends = 'dt',
  day_used = 'du',
  day_foreign = 'df',
  forecast_at = 'kt',
  forecast_day_ends = 'kd',
  forecast_events = 'ke',
  forecast_events_later = 'kf',
  forecast_bulk = 'kb',
  forecast_bulk_later = 'kc',
  -- lanes.lua
  interactive_asked_at = 'a0',
  recent_interactive = 'vi',
  recent_events = 've',
  recent_at = 'vt',
  events_refused_since = 'we',
  bulk_refused_since = 'wb',
  -- foreign.lua
  foreign_calls = 'f',
  foreign_at = 'fa',
  foreign_unknown_until = 'fb',
  refused_at = 'fr',
  -- window.lua
  opened_after = 'lo',
  opened_by = 'hi',
  opening_expected = 'lh',
  window_proofs = 'lp',
  next_proof_from = 'ln',
  disbelieved_until = 'lx',
  -- limit.lua
  limit_was_told = 'mt',
  candidate_limit = 'cm',
  candidate_window = 'cw',
  candidate_count = 'ct',
}
local names, stored_names = {}, {}
for name, stored_name in pairs(STORED_NAMES) do
  names[#names + 1], stored_names[#stored_names + 1] = name, stored_name
end
local values = redis.call('HMGET', state_key, 'sv', unpack(stored_names))
local stored, state = {}, {}
for i, name in ipairs(names) do
  stored[name] = values[i + 1] and tonumber(values[i + 1]) or nil
  state[name] = stored[name]
end
