-- One resource's state, read from its hash (the first part of permit.lua and of snapshot.lua).
--
-- `state` has the fields by their names here; the hash keeps the short name that follows each. The short names stay,
-- because processes of two releases share the hash during a deployment: a renamed field would be missing to the older
-- one, which would then grant too much. A flat list, because this runs at every call: building a table of pairs and
-- iterating over it in no order cost a fifth of a permit.
--
-- KEYS 1 slots (zset: slot id -> free from), 2 state (hash)
-- ARGV 1 cjson request, 2 run of the server
local request = cjson.decode(ARGV[1])
local slots_key, state_key = KEYS[1], KEYS[2]
local time = redis.call('TIME')
local clock = time[1] * 1000000 + time[2]
local HOUR, DAY, IDLE = 3600000000, 86400000000, 1800000000

local FIELDS = {
  'born', 'b',  -- when the state was made, on the store's own clock; all other times count from then
  'limit', 'n',
  'window', 'w',
  'paced_until', 'tat',
  'unused_from', 'probe',  -- the score of slots never used, until the first answer
  'reports_fence', 'rf',  -- no report frees a slot before
  -- day.lua
  'day_limit', 'dl',
  'day_remaining', 'dr',
  'day_ends', 'dt',
  'day_used', 'du',
  'day_foreign', 'df',
  'forecast_at', 'kt',
  'forecast_day_ends', 'kd',
  'forecast_events', 'ke',
  'forecast_events_later', 'kf',
  'forecast_bulk', 'kb',
  'forecast_bulk_later', 'kc',
  -- lanes.lua
  'interactive_asked_at', 'a0',
  'recent_interactive', 'vi',
  'recent_events', 've',
  'recent_at', 'vt',
  'events_refused_since', 'we',
  'bulk_refused_since', 'wb',
  -- foreign.lua
  'foreign_calls', 'f',
  'foreign_at', 'fa',
  'foreign_unknown_until', 'fb',
  'refused_at', 'fr',
  -- window.lua
  'opened_after', 'lo',
  'opened_by', 'hi',
  'opening_expected', 'lh',
  'window_proofs', 'lp',
  'next_proof_from', 'ln',
  'window_distrusted_until', 'lx',
  -- limit.lua
  'limit_was_reported', 'mt',
  'candidate_limit', 'cm',
  'candidate_window', 'cw',
  'candidate_count', 'ct',
}
local stored_names = {}
for i = 2, #FIELDS, 2 do stored_names[i / 2] = FIELDS[i] end
local values = redis.call('HMGET', state_key, 'sv', unpack(stored_names))
local stored, state = {}, {}
for i = 1, #FIELDS, 2 do
  local value = values[(i + 3) / 2]
  if value then
    value = tonumber(value)
    stored[FIELDS[i]], state[FIELDS[i]] = value, value
  end
end
