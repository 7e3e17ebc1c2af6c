// Files and folders that are dropped on the page or chosen, wherever they land: a browser would open a film that falls beside a box.
const NO_PICTURE = /(^|\/)(\.[^/]*|thumbs\.db|dicomdir|desktop\.ini)$|\.(txt|csv|tsv|json|jsonl|xml|html?|md|pdf|docx?|xlsx?|zip|gz|tar|7z|exe|dll|py|js|log|ya?ml|ini)$/i;

const promised = (call) => new Promise(call);

async function filesBelow(folder) {
  const reader = folder.createReader();
  const files = [];
  for (;;) {
    const entries = await promised((done, fail) => { reader.readEntries(done, fail); }); // a hundred at once
    if (entries.length === 0) return files;
    for (const entry of entries) files.push(...await filesOf(entry));
  }
}

async function filesOf(entry) {
  if (entry.isDirectory) return filesBelow(entry);
  return [await promised((done, fail) => { entry.file(done, fail); })];
}

/** The files of a drop: those of a folder are those below it. {files, folder} */
async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean); // gone after the first pause
  if (!entries.some((entry) => entry.isDirectory)) return { files: [...transfer.files], folder: false };
  const files = [];
  for (const entry of entries) files.push(...await filesOf(entry));
  return { files, folder: true };
}

/** The files of a folder that may be pictures by their names, in the order of names; and how many may not. */
export function picturesOf(files) {
  const named = files.map((file) => [file.webkitRelativePath || file.name, file]);
  const pictures = named.filter(([name]) => !NO_PICTURE.test(name)).sort(([a], [b]) => a.localeCompare(b, undefined, { numeric: true }));
  return { pictures: pictures.map(([, file]) => file), left: files.length - pictures.length };
}

/** Files that are for the page: not those that fall on a field for one. */
const carriesFiles = (event) => [...event.dataTransfer?.types ?? []].includes('Files') && !event.target.closest?.('input[type=file]');

/** Call take({files, folder}) for what falls anywhere on the page while `open()`; `box` is marked while something hovers. */
export function catchDrops(box, open, take) {
  let depth = 0; // of elements that were entered
  const mark = (by) => {
    depth = Math.max(0, depth + by);
    box.classList.toggle('over', depth > 0 && open());
  };
  addEventListener('dragenter', (event) => { if (carriesFiles(event)) mark(1); });
  addEventListener('dragleave', (event) => { if (carriesFiles(event)) mark(-1); });
  addEventListener('dragover', (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = open() ? 'copy' : 'none';
  });
  addEventListener('drop', (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    mark(-depth);
    if (open()) take(dropped(event.dataTransfer));
  });
}
