/**
 * The map: puts the layers together, keeps what is selected in view, and says what is under the pointer.
 *
 * Order from below: base map, zones, track, people, names. Everything drawn comes from the service; nothing is asked of
 * another host. Deliberately absent: drawing of zones (they are imported), and what a click means to the rest of the page.
 */

import { L, Overlay, palette } from './canvas.js';
import { BaseLayer, sortGround } from './base.js';
import { ZonePainter } from './zones.js';
import { PeoplePainter, SILENT } from './people.js';
import { TrackPainter } from './track.js';
import { LabelPainter } from './labels.js';
import { fill, h, mark } from '../dom.js';
import { age, clockShort } from '../time.js';
import { now } from '../now.js';

/** The closest zoom that a selection flies to. */
const CLOSE = 17;
/** A zone larger than this does not have to fit into the view; in degrees of latitude, some 6 km. */
const HUGE = 0.055;

export class WearerMap {
  /** @param {HTMLElement} element @param {{chosen: (wearer: string) => void, personName: (id: string) => string}} parts */
  constructor(element, parts) {
    this.element = element;
    this.parts = parts;
    this.ground = sortGround([]);
    this.zonePainter = new ZonePainter();
    this.people = new PeoplePainter();
    this.track = new TrackPainter();
    this.names = new LabelPainter({ ground: () => this.ground, zones: () => this.zonePainter, people: () => this.people, taken: () => this.track.label });
    this.framed = false;
    this.build();
    this.recolour();
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.recolour());
  }

  build() {
    const sheet = h('div', { class: 'sheet', id: 'map-sheet' });
    this.caption = h('div', { class: 'caption', hidden: true });
    this.tip = h('div', { class: 'tip', hidden: true });
    fill(this.element, [sheet, this.caption, this.tip, legend()]);
    this.map = L.map(sheet, { attributionControl: false, zoomControl: true, minZoom: 2, maxZoom: 19, worldCopyJump: false, fadeAnimation: false });
    L.control.scale({ imperial: false, maxWidth: 120 }).addTo(this.map);
    this.credits = L.control.attribution({ prefix: 'Leaflet' }).addTo(this.map);
    this.map.setView([47.14, 9.55], 11);
    this.base = new BaseLayer().addTo(this.map);
    this.layers = [[this.zonePainter, 410], [this.track, 450], [this.people, 430], [this.names, 460]].map(([painter, level], i) => {
      const pane = `layer-${i}`;
      Object.assign(this.map.createPane(pane).style, { zIndex: String(level), pointerEvents: 'none' });
      return new Overlay((ctx, view) => painter.draw(ctx, view), pane).addTo(this.map);
    });
    this.map.on('mousemove', (event) => this.point(event));
    this.map.on('mouseout movestart', () => { this.tip.hidden = true; });
    this.map.on('click', (event) => this.click(event));
    new ResizeObserver(() => this.map.invalidateSize({ animate: false, pan: false })).observe(sheet);
  }

  /** The colour scheme has changed. */
  recolour() {
    const colours = palette();
    for (const painter of [this.track, this.people, this.names]) painter.colours = colours;
    this.zonePainter.setColours(colours);
    this.base.show(this.ground, colours);
    this.redraw();
  }

  redraw() {
    for (const layer of this.layers) layer.redraw();
  }

  /** @param {Array<{kind: string, features: any[]}>} layers @param {string} attribution */
  setGround(layers, attribution) {
    this.ground = sortGround(layers);
    if (attribution) this.credits.addAttribution(plain(attribution));
    this.recolour();
    this.frame();
  }

  /** @param {any} collection GeoJSON */
  setZones(collection) {
    this.zonePainter.setZones(collection.features);
    this.redraw();
    this.frame();
  }

  /** @param {any[]} wearers as the service lists them, with what binds them */
  setBindings(wearers) {
    const owners = new Map();
    for (const { id, zones } of wearers) {
      for (const { zone } of zones) {
        if (!zone) continue;
        if (!owners.has(zone)) owners.set(zone, new Set());
        owners.get(zone).add(id);
      }
    }
    this.zonePainter.setOwners(owners);
    this.redraw();
  }

  /** @param {any[]} devices @param {Map<string, string>} worst */
  setPeople(devices, worst) {
    this.people.set(devices, worst, now());
    this.layers[2].redraw();
    this.layers[3].redraw();
    this.frame();
  }

  /** Once, at the beginning: everything there is, in view. */
  frame() {
    if (this.framed) return;
    const places = this.people.people.map((it) => [it.lat, it.lon]);
    if (places.length === 0) return;
    this.framed = true;
    this.map.fitBounds(L.latLngBounds(places).pad(0.04), { animate: false, maxZoom: 15 });
  }

  /** @param {string} id @returns {any|null} the zone's feature */
  zone(id) {
    return this.zonePainter.zones.find((it) => it.id === id)?.feature ?? null;
  }

  /**
   * Selects a wearer and what an alert is about, before its track has come.
   * @param {{wearer: string|null, zone: string|null}} selection
   */
  select({ wearer, zone }) {
    this.zonePainter.selected = { zone, wearer };
    this.people.selected = wearer;
    this.track.clear();
    this.caption.hidden = true;
    this.redraw();
  }

  /**
   * Shows a track with its evidence, and flies there.
   * @param {{points: any[], alert: any|null, from: number, until: number, wearer: string, fly: boolean}} shown
   */
  show({ points, alert, from, until, wearer, fly }) {
    const feature = alert?.zone ? this.zone(alert.zone) : null;
    this.track.set(points, alert, feature);
    // Evidence is above the wearer's present place; a mere track is below it.
    this.map.getPane('layer-1').style.zIndex = this.track.evidence.size > 0 ? '450' : '420';
    const span = `${clockShort(from)} to ${clockShort(until)}`;
    const text = points.length === 0 ? 'no position in this hour' : `track ${span}, ${points.length} fixes`;
    fill(this.caption, [h('div', { class: 'words' }, h('b', {}, wearer), ' ', h('span', {}, text)),
      h('button', { class: 'button small', type: 'button', title: 'Show the whole again', on: { click: () => this.whole() } }, 'Overview')]);
    this.caption.hidden = false;
    this.redraw();
    if (fly) this.fly(wearer, alert?.zone ?? null);
  }

  whole() {
    this.framed = false;
    this.frame();
  }

  fly(wearer, zoneId) {
    const bounds = L.latLngBounds([]);
    const zone = this.zonePainter.zones.find((it) => it.id === zoneId);
    const evidence = [...this.track.evidence];
    for (const it of evidence) bounds.extend([it.lat, it.lon]);
    const person = this.people.of(wearer);
    const recent = this.track.points.slice(-3);
    if (evidence.length === 0) {
      for (const it of recent) bounds.extend([it.lat, it.lon]);
      if (recent.length === 0 && person) bounds.extend([person.lat, person.lon]);
    }
    if (zone && this.zoneFits(zone)) bounds.extend(this.zoneBounds(zone));
    if (!bounds.isValid()) return;
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches || !this.element.offsetParent;
    const options = { maxZoom: zone ? CLOSE : CLOSE - 1, paddingTopLeft: [40, 60], paddingBottomRight: [40, 40], duration: 0.7 };
    if (still) this.map.fitBounds(bounds, { ...options, animate: false });
    else this.map.flyToBounds(bounds, options);
  }

  zoneBounds(zone) {
    const lat = (y) => (Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) * 180) / Math.PI;
    const lon = (x) => (x - 0.5) * 360;
    return L.latLngBounds([lat(zone.south), lon(zone.west)], [lat(zone.north), lon(zone.east)]);
  }

  zoneFits(zone) {
    const bounds = this.zoneBounds(zone);
    return bounds.getNorth() - bounds.getSouth() < HUGE;
  }

  /** @returns {any} the wearer under the pointer, of a Leaflet event */
  under(event) {
    const layer = this.layers[2];
    const { x, y } = event.layerPoint.subtract(layer._bounds.min);
    return this.people.at(layer.view(), x, y);
  }

  point(event) {
    const person = this.under(event);
    this.tip.hidden = !person;
    this.map.getContainer().classList.toggle('over', Boolean(person));
    if (!person) return;
    const at = this.map.latLngToContainerPoint([person.lat, person.lon]);
    this.tip.style.left = `${at.x}px`;
    this.tip.style.top = `${at.y}px`;
    const heard = `heard ${age(now() - person.contactAt)} ago`;
    fill(this.tip, [person.wearer ?? person.device, h('span', {}, ` ${[person.wearer && this.parts.personName(person.wearer), person.severity && `${person.severity} alert`, heard].filter(Boolean).join(' · ')}`)]);
  }

  click(event) {
    const person = this.under(event);
    if (person?.wearer) this.parts.chosen(person.wearer);
  }

  focus() {
    this.map.getContainer().focus();
  }
}

/** @param {string} text @returns {string} as Leaflet takes it: it reads attributions as markup */
function plain(text) {
  const span = document.createElement('span');
  span.textContent = text;
  return span.innerHTML;
}

function legend() {
  const zone = (kind, text) => h('li', {}, h('span', { class: 'swatch', data: { kind } }), text);
  const person = (sign, text) => h('li', {}, h('span', { class: 'box' }, sign), text);
  const wide = matchMedia('(min-width: 1280px) and (min-height: 820px)').matches;
  return h('details', { class: 'legend', open: wide }, h('summary', {}, 'Legend'), h('div', { class: 'keys' },
    h('ul', {}, zone('exclusion', 'exclusion zone'), zone('restriction', 'restriction zone'), zone('inclusion', 'inclusion zone'), zone('neutral', 'neutral zone'), zone('ring', 'warning ring')),
    h('ul', {}, person(h('span', { class: 'person' }), 'wearer'), person(mark('critical'), 'critical alert'), person(mark('high'), 'high alert'),
      person(mark('medium'), 'medium alert'), person(h('span', { class: 'person silent' }), `not heard for ${SILENT / 60000} min`))));
}
