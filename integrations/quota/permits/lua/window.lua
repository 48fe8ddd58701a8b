-- Learns when the vendor's fixed window begins, if the vendor keeps fixed windows (a part of permit.lua).
--
-- A slot rests for one window after the response, which wastes the response's way back. A fixed window, whether it
-- follows the clock or a first call opens it, is forgotten as a whole. Suppose that one opened between `opened_after`
-- and `opened_by`. Then every slot whose call was received by `opened_after` + window may be used again at
-- `opened_by` + window. That call was counted in a window that is over by then, and the slot's next call is counted
-- in a later one. So no window holds two calls of one slot.
--
-- `opened_after` and `opened_by` follow by themselves: the window after opens not before `opened_after` + window and
-- is open when a call sent after `opened_by` + window has been answered. They are learned, and corrected, from a pair
-- of calls, one surely counted after the other, whose headers show that many calls were forgotten between them. Such
-- a pair counts when it was expected, or when the answer to a call that was sent after both agrees: since a header,
-- the count can only have grown by calls of ours. Three such pairs (`window_proofs`), at which calls younger than a
-- window were forgotten, prove that the window is fixed and not sliding. A header that another one disproves ends
-- this for an hour (`window_distrusted_until`), as calls of others or a refusal do. So nothing is learned from a vendor
-- that sometimes sends wrong headers.

local PROOFS, LONGEST_CALL, RING_SIZE = 3, 2000000, 16

local function forget_window()
  state.opened_after, state.opened_by, state.opening_expected = nil, nil, nil
end

local function distrust_window()
  if (state.window_proofs or 0) >= PROOFS then rest_all_until(now + window + request.slack) end
  forget_window()
  state.window_proofs, state.window_distrusted_until = 0, now + 3600000000
end

local function is_window_proven()
  return request.learn and (state.window_proofs or 0) >= PROOFS
end

local function free_received_by(moment)
  local last = exact(moment + window + request.margin)
  for _, slot in ipairs(redis.call('ZRANGEBYSCORE', slots_key, '(' .. exact(now), last)) do set_free_from(slot, now) end
end

-- When the slots become free together, as far as that is known now.
local function window_opens_at()
  return is_window_proven() and state.opened_by and state.opened_by + window + request.margin
end

local function open_window()
  local opening = window_opens_at()
  if not opening or now < opening then return end
  free_received_by(state.opened_after + window)
  state.opened_after, state.opening_expected, state.opened_by = state.opened_after + window, opening, nil
  paced_until = math.min(paced_until, now)
end

-- Paces that calls may run ahead until the first answer shows that the window is open. The quickest of many answers
-- shows its opening best, and every millisecond of doubt is one of silence before the next window. The rest is for
-- calls that come later in the window.
local function burst_paces()
  if not (is_window_proven() and state.opening_expected) or state.opened_by then return 0 end
  return math.min(60, math.floor(0.6 * limit))
end

-- A call sent after the former window's end was answered: the next one is open.
local function answered_at(start, received)
  if not (is_window_proven() and state.opening_expected and start >= state.opening_expected) then return end
  if received < (state.opened_by or received + 1) then state.opened_by = received end
end

-- A window opened between `earlier` and `received`.
local function opened_between(earlier, received)
  if state.opened_after and earlier <= state.opened_after then return end
  -- The same one as is known, if there was no time for another: they are a window apart.
  if state.opened_by and earlier < state.opened_by and received < state.opened_after + window then
    received = math.min(received, state.opened_by)
  end
  state.opened_after, state.opened_by, state.opening_expected = earlier, received, nil
  free_received_by(earlier)
end

-- Calls of ours that may have been counted since `moment`: those under way, or answered since.
local function counted_since(moment)
  return redis.call('ZCOUNT', slots_key, '(' .. exact(moment + window), '+inf')
end

-- The headers in the ring from before `start`: the last of them, and those not yet confirmed which reported that
-- calls were forgotten. Nothing when `used` disproves one of them.
local function agreeing_headers(ring, start, used)
  local before, pending = nil, {}
  for _, one in ipairs(ring) do
    if one[2] <= start then
      if not before or one[1] > before[1] then before = one end
      if one[4] then pending[#pending + 1] = one end
    end
  end
  for _, one in ipairs({ before, unpack(pending) }) do
    if one[1] >= (state.opened_after or 0) and used > one[3] + counted_since(one[1]) then return nil end
  end
  return pending, before
end

-- Whether the window that is believed in ends between these two moments: an expected end needs no second call to
-- agree.
local function is_expected_end(earlier, received)
  if not (is_window_proven() and state.opened_by) then return false end
  return received > state.opened_after + window and earlier <= state.opened_by + window
end

local function learn_window(rate)
  if not (request.learn and rate.remaining and rate.start and rate.age) then return end
  if rate.refused or now < (state.window_distrusted_until or 0) then return end
  local used, start, received = limit - rate.remaining, rate.start, now - rate.age
  local ring = redis.call('HGET', state_key, 'ring')
  ring = ring and cmsgpack.unpack(ring) or {}
  local confirmed, before = agreeing_headers(ring, start, used)
  if not confirmed then
    redis.call('HDEL', state_key, 'ring')
    return distrust_window()
  end
  for _, one in ipairs(confirmed) do
    if one[5] and now >= (state.next_proof_from or 0) then
      state.window_proofs, state.next_proof_from = (state.window_proofs or 0) + 1, now + window / 2
    end
    if is_window_proven() then opened_between(one[4], one[2]) end
    one[4], one[5] = false, false
  end
  local since, proves = false, false
  if before and before[3] - used >= limit / 3 and received - before[1] < window / 3 then
    -- Young calls, unless each took longer than `LONGEST_CALL`.
    local young = redis.call('ZCOUNT', slots_key, exact(received + LONGEST_CALL), exact(start + window))
    since, proves = before[1], young - used >= limit / 3
    if is_expected_end(since, received) then opened_between(since, received) end
  end
  ring[#ring + 1] = { start, received, used, since, proves }
  if #ring > RING_SIZE then table.remove(ring, 1) end
  redis.call('HSET', state_key, 'ring', cmsgpack.pack(ring))
end
