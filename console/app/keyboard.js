/**
 * The keys of the console, in one list.
 *
 * Single letters act only where nobody types, and never with Ctrl, Alt or Meta. Deliberately absent: what the keys do.
 */

/** @param {EventTarget|null} target @returns {boolean} whether somebody types there */
function isTyping(target) {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

/** @param {EventTarget|null} target @returns {boolean} whether Enter and space belong to it */
const isButton = (target) => target instanceof HTMLElement && /^(BUTTON|A|SUMMARY)$/.test(target.tagName);

/**
 * @param {{move: (step: number) => void, open: () => void, back: () => void, verb: (verb: string) => void, filter: () => void,
 *   map: () => void, help: () => void, view: () => void, onMap: (target: EventTarget|null) => boolean}} acts
 */
export function listen(acts) {
  const keys = {
    j: () => acts.move(1), k: () => acts.move(-1), ArrowDown: () => acts.move(1), ArrowUp: () => acts.move(-1),
    PageDown: () => acts.move(8), PageUp: () => acts.move(-8), Home: () => acts.move(-Infinity), End: () => acts.move(Infinity),
    Enter: () => acts.open(), Escape: () => acts.back(),
    c: () => acts.verb('claim'), a: () => acts.verb('acknowledge'), n: () => acts.verb('note'), x: () => acts.verb('close'),
    '/': () => acts.filter(), m: () => acts.map(), w: () => acts.view(), '?': () => acts.help(),
  };
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
    if (document.querySelector('dialog[open]')) return;
    const typing = isTyping(event.target);
    if (typing && event.key !== 'Escape') return;
    if (event.key === 'Enter' && isButton(event.target)) return;
    if (acts.onMap(event.target) && /^(Arrow|Home|End|Page)/.test(event.key)) return;
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    if (typing) event.target.blur();
    act();
  });
}
