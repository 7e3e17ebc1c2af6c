// The view of the site: what models are worth here, and what is done about it. It is read when it is first wanted, and so is each of
// its parts.
import { $, make } from './dom.js';

const PARTS = {
  worth: { title: 'Validations and profiles', load: () => import('./worth.js') },
  shadow: { title: 'Shadow and canary', load: () => import('./shadow.js') },
  live: { title: 'Readers and drift', load: () => import('./live.js') },
  patients: { title: 'Patients', load: () => import('./forget.js') },
};

let part = null; // which is shown

function build() {
  document.head.append(make('link', { rel: 'stylesheet', href: 'ui/site.css' }));
  $('site').append(
    make('nav', { 'aria-label': 'Parts of the site', class: 'parts' }, ...Object.entries(PARTS).map(([name, { title }]) => make('a', { href: `#site/${name}` }, title))),
    make('p', { id: 'site-status', role: 'status', class: 'status' }),
    ...Object.keys(PARTS).map((name) => make('div', { id: `site-${name}`, hidden: true })),
  );
}

/** Say what has been done. */
export function say(text) {
  $('site-status').textContent = text;
}

/** Called whenever the view is shown; `rest`: what the address says behind the part's name. */
export async function showSite(wanted, ...rest) {
  if (!$('site-status')) build();
  part = wanted in PARTS ? wanted : 'worth';
  for (const name of Object.keys(PARTS)) $(`site-${name}`).hidden = name !== part;
  for (const link of $('site').querySelectorAll('.parts a')) {
    if (link.getAttribute('href') === `#site/${part}`) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  say('');
  const module = await PARTS[part].load();
  await module.show($(`site-${part}`), ...rest);
}
