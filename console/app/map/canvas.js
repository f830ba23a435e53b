/**
 * A canvas over the map on which one thing is drawn anew whenever the map has moved: zones, a track, people.
 *
 * Places are kept as shares of the web map's square (`mercatorX`, `mercatorY`), so that drawing a point is one
 * multiplication. Builds on Leaflet's renderer, which moves and scales the canvas while the map is in motion. Deliberately
 * absent: elements for single things, and their events; whoever draws also finds what is under the pointer.
 */

/** Leaflet, which is loaded as a plain script. @type {any} */
export const L = /** @type {any} */ (globalThis).L;

/**
 * @typedef {{scale: number, left: number, top: number, width: number, height: number, zoom: number}} View
 *   a place is drawn at (x * scale - left, y * scale - top)
 */

/** @type {any} */
export const Overlay = L.Renderer.extend({
  options: { padding: 0.12 },

  /** @param {(ctx: CanvasRenderingContext2D, view: View) => void} draw @param {string} pane */
  initialize(draw, pane) {
    L.Renderer.prototype.initialize.call(this, { pane });
    this.draw = draw;
  },

  redraw() {
    if (this._map && this._bounds) this._updatePaths();
  },

  /** @returns {View} what the canvas shows */
  view() {
    const origin = this._map.getPixelOrigin().add(this._bounds.min);
    const size = this._bounds.getSize();
    return { scale: 256 * 2 ** this._zoom, left: origin.x, top: origin.y, width: size.x, height: size.y, zoom: this._zoom };
  },

  _initContainer() {
    this._container = L.DomUtil.create('canvas', 'overlay-canvas');
    this._ctx = this._container.getContext('2d');
  },

  _destroyContainer() {
    L.DomUtil.remove(this._container);
    this._container = null;
    this._ctx = null;
  },

  _update() {
    if (this._map._animatingZoom && this._bounds) return;
    L.Renderer.prototype._update.call(this);
    const size = this._bounds.getSize();
    const ratio = globalThis.devicePixelRatio || 1;
    L.DomUtil.setPosition(this._container, this._bounds.min);
    this._container.width = Math.round(size.x * ratio);
    this._container.height = Math.round(size.y * ratio);
    this._container.style.width = `${size.x}px`;
    this._container.style.height = `${size.y}px`;
    this.fire('update');
  },

  _updatePaths() {
    const ratio = globalThis.devicePixelRatio || 1;
    this._ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    const view = this.view();
    this._ctx.clearRect(0, 0, view.width, view.height);
    this.draw(this._ctx, view);
  },
});

/** @param {View} view @param {number} x @param {number} y @returns {[number, number]} pixels on the canvas */
export const pixel = (view, x, y) => [x * view.scale - view.left, y * view.scale - view.top];

/** The colours that `base.css` gives to the map, in the present scheme. @returns {Record<string, string>} */
export function palette() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(`--${name}`).trim();
  const names = ['map-land', 'map-wood', 'map-green', 'map-town', 'map-water', 'map-building', 'map-road', 'map-casing', 'map-path', 'map-distant', 'map-text', 'map-halo',
    'zone-exclusion', 'zone-restriction', 'zone-inclusion', 'zone-neutral', 'person', 'person-silent', 'person-edge', 'track',
    'critical', 'high', 'medium', 'low', 'info', 'ink', 'surface', 'muted', 'accent', 'line-strong'];
  return Object.fromEntries(names.map((name) => [name.replace('map-', ''), read(name)]));
}

/** Draws the sign of a severity, the same shape as `.mark`. @param {CanvasRenderingContext2D} ctx */
export function signPath(ctx, severity, x, y, r) {
  ctx.beginPath();
  if (severity === 'critical') {
    ctx.moveTo(x, y - r * 1.25);
    ctx.lineTo(x + r * 1.25, y);
    ctx.lineTo(x, y + r * 1.25);
    ctx.lineTo(x - r * 1.25, y);
    ctx.closePath();
  } else if (severity === 'high') {
    ctx.moveTo(x, y - r * 1.2);
    ctx.lineTo(x + r * 1.2, y + r * 0.9);
    ctx.lineTo(x - r * 1.2, y + r * 0.9);
    ctx.closePath();
  } else {
    ctx.arc(x, y, r, 0, 2 * Math.PI);
  }
}
