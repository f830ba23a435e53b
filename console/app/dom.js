/**
 * Elements of the page, made without markup in strings: text from the service is always text.
 *
 * Deliberately absent: `innerHTML` and style attributes (the content security policy forbids the latter), templates, state.
 */

/**
 * @typedef {Node|string|number|null|undefined|false} Child
 * @typedef {Record<string, any>} Properties `class`, `data`, `on`; every other key is an attribute; false and null leave it out
 */

/** @param {Element} element @param {Properties} properties */
function dress(element, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'class') element.className = value;
    else if (name === 'data') Object.assign(element.dataset, value);
    else if (name === 'on') for (const [event, react] of Object.entries(value)) element.addEventListener(event, react);
    else if (name === 'value') element.value = value;
    else element.setAttribute(name, value === true ? '' : String(value));
  }
}

/**
 * Makes an element.
 * @param {string} tag @param {Properties} [properties] @param {...(Child|Child[])} children @returns {HTMLElement}
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  dress(element, properties);
  fill(element, children);
  return element;
}

/** Replaces what is in an element. @param {Element} element @param {Array<Child|Child[]>} children */
export function fill(element, children) {
  const nodes = children.flat(3).filter((child) => child !== null && child !== undefined && child !== false);
  element.replaceChildren(...nodes.map((child) => (child instanceof Node ? child : String(child))));
}

/** Sets a text only where it changed, so that nothing is laid out again in vain. @param {Node} node @param {string} text */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** @param {string} id @returns {HTMLElement} the place of that id in `index.html` */
export function place(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`index.html has no #${id}`);
  return element;
}

/** The sign of a severity: a shape and a colour; the word stands beside it. @param {string} severity */
export function mark(severity) {
  return h('span', { class: 'mark', data: { severity }, 'aria-hidden': 'true' });
}

/** A key of the keyboard. @param {string} name */
export const keycap = (name) => h('kbd', {}, name);
