-- Orthanc -> cxrd -> Orthanc without any plug-in: every radiograph that the archive stores is shown to cxrd, and what cxrd says of it
-- is stored beside it. ../orthanc.md says how to set it up, what it writes, and what cxrd.py does better: Orthanc's Lua does not tell
-- why a request failed, and what waits is forgotten when Orthanc ends.

local URL = string.gsub(os.getenv('CXRD_URL') or 'http://127.0.0.1:8080', '/+$', '')
local KEY = os.getenv('CXRD_KEY')
local WANTS_REPORT = os.getenv('CXRD_SR') == '1'
local HEATMAPS = os.getenv('CXRD_SC') or ''   -- names of findings; positive: those that are

local STATE, RESULT = '4096', '4097'   -- metadata; "UserMetadata" of Orthanc's configuration gives them names
local TRIES = 3                        -- of a picture that a ready cxrd does not answer: it is taken for refused
local PAUSE = 10                       -- seconds before a cxrd that was away is asked again

-- Each name of a list that has commas between them, and spaces as it likes.
local function names(list)
   local found = {}
   for name in string.gmatch(list, '[^,]+') do table.insert(found, (string.match(name, '^%s*(.-)%s*$'))) end
   return found
end

local modalities = {}
for _, name in ipairs(names(os.getenv('CXRD_MODALITIES') or 'CR,DX')) do modalities[name] = true end

local waiting = {}      -- of { instance, tries }, oldest first
local is_away = false   -- cxrd, when it was asked last
local asked_last = 0

local function headers(accept)
   local sent = { ['Content-Type'] = 'application/dicom', ['Accept'] = accept }
   if KEY then sent['Authorization'] = 'Bearer ' .. KEY end
   return sent
end

local function note(instance, number, value)
   RestApiPut('/instances/' .. instance .. '/metadata/' .. number, value)
end

-- The body of cxrd's answer, or nil: it is away, busy, or does not take the picture.
local function post(path, dicom, accept)
   local answer = HttpPost(URL .. path, dicom, headers(accept))
   return answer ~= '' and answer or nil
end

local function is_ready()
   local answer = HttpGet(URL .. '/readyz', headers('application/json'))   -- an empty table of headers would end Orthanc
   return answer ~= nil and answer ~= ''
end

local function paths_of_results(answer)
   local paths = {}
   if WANTS_REPORT then table.insert(paths, '/predict') end
   for _, wanted in ipairs(names(HEATMAPS)) do
      for _, finding in ipairs(ParseJson(answer)['findings']) do
         if finding['label'] == wanted or (wanted == 'positive' and finding['positive']) then
            table.insert(paths, '/predict/heatmap?label=' .. string.gsub(finding['label'], '[^%w_.~-]', function (c)
               return string.format('%%%02X', string.byte(c))
            end))
         end
      end
   end
   return paths
end

-- Whether cxrd has answered; what it said is stored.
local function is_answered(instance)
   local dicom = RestApiGet('/instances/' .. instance .. '/file')
   local answer = post('/predict', dicom, 'application/json')
   if not answer then return false end
   for _, path in ipairs(paths_of_results(answer)) do
      local result = post(path, dicom, 'application/dicom')
      if result and string.sub(result, 129, 132) == 'DICM' then RestApiPost('/instances', result) end
   end
   note(instance, RESULT, answer)
   note(instance, STATE, 'done')
   return true
end

-- Ask about all that wait, until cxrd turns out to be away. One that a ready cxrd does not answer may be refused, or have met a
-- full queue: it is asked about again when something else comes, a few times.
local function ask()
   local asked = waiting
   waiting = {}
   for _, one in ipairs(asked) do
      if is_away then
         table.insert(waiting, one)
      else
         local ran, answered = pcall(is_answered, one.instance)
         if not ran then   -- deleted meanwhile, say
            print('cxrd: ' .. tostring(answered))
         elseif not answered then
            is_away = not is_ready()
            one.tries = one.tries + (is_away and 0 or 1)
            note(one.instance, STATE, one.tries < TRIES and 'waiting' or 'failed')
            if one.tries < TRIES then table.insert(waiting, one) end
         end
      end
   end
   asked_last = os.time()
end

local function ask_if_there()
   if is_away and os.time() - asked_last >= PAUSE then is_away = false end
   if not is_away then ask() end
end

function OnStoredInstance(instance, tags, metadata, origin)
   if modalities[tags['Modality']] then table.insert(waiting, { instance = instance, tries = 0 }) end
   ask_if_there()
end

function OnStableSeries(series, tags, metadata)
   ask_if_there()
end
