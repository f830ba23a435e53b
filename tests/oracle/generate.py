#!/usr/bin/env python3
"""Makes the files of tests/data/oracle: inputs, and what Shapely and GeographicLib say about them.

    python3 -m venv venv && venv/bin/pip install shapely==2.2.0 geographiclib==2.1
    venv/bin/python tests/oracle/generate.py DATA_FOLDER tests/data/oracle

DATA_FOLDER holds `tracks/gpx.csv.gz`, `zones/{us_counties,us_states,world_countries}.geojson.gz` and
`geometry/antimeridian.ndjson`; see README.md beside this file. The same input gives the same bytes.
Deliberately absent: anything of the product. Coordinates are used as they are written, not on the product's grid.
"""

import csv
import gzip
import io
import json
import math
import sys
from pathlib import Path

import shapely
from geographiclib.geodesic import Geodesic
from shapely.geometry import Point, shape

EARTH = Geodesic.WGS84
NEAR_M = 0.5  # Verdicts closer to a boundary than this are listed apart.
DISTANCE_REACH_M = 3000.0  # Boundaries within this are measured,
DISTANCE_EVERY = 9  # for every so many fixes.

# Recordings laid elsewhere, and magnified: device, source, centre, factor in latitude and longitude.
# Somebody who walks through Garmisch crosses no county; the same walk a few hundred times as large crosses hundreds.
LAID = [
    ("garmisch-over-plains", "hike-garmisch", (39.2, -95.5), (330.0, 330.0)),
    ("los-gatos-over-north-east", "run-los-gatos", (41.6, -74.6), (110.0, 400.0)),
    ("cerknica-over-south", "ride-cerknica", (33.4, -84.3), (120.0, 160.0)),
    ("los-gatos-over-virginia", "run-los-gatos", (37.6, -78.6), (95.0, 330.0)),
    ("istria-over-kentucky", "hike-istria", (37.4, -84.6), (240.0, 210.0)),
    ("istria-over-alaska", "hike-istria", (58.2, -152.5), (900.0, 1200.0)),
    ("istria-over-aleutians", "hike-istria", (52.4, -180.0), (160.0, 900.0)),
    ("car-over-date-line", "car-istria", (-17.1, 180.0), (1.0, 1.0)),
    ("run-round-north-pole", "run-los-gatos", (89.995, 0.0), (0.1, 9000.0)),
]

# A few circles for each of these devices: fixes they are centred on, and radii in metres.
CIRCLES = [
    ("hike-garmisch", 12, (40.0, 150.0, 700.0)),
    ("run-los-gatos", 12, (25.0, 120.0, 900.0)),
    ("ride-cerknica", 8, (60.0, 300.0, 1500.0)),
    ("hike-istria", 8, (30.0, 100.0, 400.0)),
    ("car-istria", 3, (50.0, 250.0)),
    ("hike-broken-clock", 2, (80.0, 300.0)),
    ("garmisch-over-plains", 3, (20_000.0, 150_000.0)),
    ("istria-over-aleutians", 4, (30_000.0, 250_000.0)),
    ("car-over-date-line", 4, (50.0, 300.0)),
    ("run-round-north-pole", 3, (200.0, 600.0)),
]


def read_json(path):
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return json.load(file)


def write(path, text):
    """Writes gzip without a time, so that the same text is the same bytes."""
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, 0) as file:
        file.write(text.encode("utf-8"))
    print(f"{path.name}: {path.stat().st_size} bytes")


def read_tracks(path):
    """Devices with their rows (seq, time, lat, lon as text), in the order of the file."""
    tracks = {}
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            tracks.setdefault(row["device"], []).append((int(row["seq"]), row["time"], row["lat"], row["lon"]))
    return tracks


def lay(rows, centre, factors):
    """The rows round another centre, magnified."""
    lats = [float(row[2]) for row in rows]
    lons = [float(row[3]) for row in rows]
    lat_0, lon_0 = sum(lats) / len(lats), sum(lons) / len(lons)
    laid = []
    for (seq, time, _, _), lat, lon in zip(rows, lats, lons):
        lat = centre[0] + (lat - lat_0) * factors[0]
        lon = centre[1] + (lon - lon_0) * factors[1]
        lon = (lon + 180.0) % 360.0 - 180.0
        if abs(lat) <= 90.0:
            laid.append((seq, time, f"{lat:.7f}", f"{lon:.7f}"))
    return laid


def all_tracks(folder):
    tracks = read_tracks(folder / "tracks/gpx.csv.gz")
    for device, source, centre, factors in LAID:
        tracks[device] = lay(tracks[source], centre, factors)
    # What receivers say that have no position, and rows out of order, are part of the feed.
    istria = tracks["car-istria"]
    istria[40] = (40, istria[40][1], "0", "0")
    istria[50], istria[53] = istria[53], istria[50]
    istria[60] = (60, istria[59][1], istria[60][2], istria[60][3])
    return tracks


def is_closed(geometry):
    """Whether every ring repeats its first position, as GeoJSON demands; Shapely would close it silently."""
    polygons = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
    return all(ring[0] == ring[-1] for polygon in polygons for ring in polygon)


def areas(folder, tracks):
    """Features whose box holds a fix or is close to one."""
    tree = shapely.STRtree([Point(float(r[3]), float(r[2])) for rows in tracks.values() for r in rows])
    kept = []
    for name in ("us_counties", "us_states", "world_countries"):
        for feature in read_json(folder / f"zones/{name}.geojson.gz")["features"]:
            outline = shape(feature["geometry"])
            if not is_closed(feature["geometry"]):
                print(f"{feature['properties']['id']}: left out, a ring is not closed")
            elif outline.is_valid and len(tree.query(outline.envelope.buffer(0.02))) > 0:
                kept.append(feature)
    return kept


def circles(tracks):
    made = [("zero", "a place in the sea", "spot", 0.0, 0.0, 100.0)]
    for device, count, radii in CIRCLES:
        rows = tracks[device]
        for n in range(count):
            _, _, lat, lon = rows[(2 * n + 1) * len(rows) // (2 * count)]
            for radius in radii:
                name = f"{device}-{n}-{radius:.0f}"
                # A little off the fix itself, so that none stands exactly in the middle.
                made.append((name, name, "spot", round(float(lon) - 1e-5, 6), round(float(lat), 6), radius))
    return made


def in_order(rows):
    return sorted(rows, key=lambda row: (row[1], row[0]))


def geodesic(lat_a, lon_a, lat_b, lon_b):
    return EARTH.Inverse(lat_a, lon_a, lat_b, lon_b, Geodesic.DISTANCE)["s12"]


def segments(outline):
    for part in getattr(outline, "geoms", [outline]):
        for ring in [part.exterior, *part.interiors]:
            places = list(ring.coords)
            yield from zip(places, places[1:])


def boundary_distance(edges, lat, lon, reach):
    """The shortest geodesic to any edge; none beyond reach. Edges are straight in longitude and latitude."""
    scale = math.cos(math.radians(lat)) * 111_320.0

    def local(a, b):
        ax, ay = (a[0] - lon) * scale, (a[1] - lat) * 110_574.0
        bx, by = (b[0] - lon) * scale, (b[1] - lat) * 110_574.0
        x, y = bx - ax, by - ay
        length = x * x + y * y
        t = 0.0 if length == 0.0 else max(0.0, min(1.0, -(ax * x + ay * y) / length))
        return math.hypot(ax + t * x, ay + t * y)

    candidates = sorted((local(a, b), a, b) for a, b in edges)
    best = math.inf
    for guess, a, b in candidates:
        if guess > 1.05 * min(best, reach) + 1.0:
            break
        low, high = 0.0, 1.0
        at = lambda t: geodesic(lat, lon, a[1] + t * (b[1] - a[1]), a[0] + t * (b[0] - a[0]))
        golden = (math.sqrt(5.0) - 1.0) / 2.0
        left, right = high - golden * (high - low), low + golden * (high - low)
        at_left, at_right = at(left), at(right)
        while (high - low) * math.hypot((b[0] - a[0]) * scale, (b[1] - a[1]) * 110_574.0) > 0.02:
            if at_left < at_right:
                high, right, at_right = right, left, at_left
                left = high - golden * (high - low)
                at_left = at(left)
            else:
                low, left, at_left = left, right, at_right
                right = low + golden * (high - low)
                at_right = at(right)
        best = min(best, at_left, at_right, at(0.0), at(1.0))
    return best if best <= reach else None


class Areas:
    """Polygons: plain planar predicates in longitude and latitude, boundary counts."""

    def __init__(self, features):
        self.ids = [feature["properties"]["id"] for feature in features]
        self.outlines = [shape(feature["geometry"]) for feature in features]
        self.edges = [list(segments(outline)) for outline in self.outlines]
        self.tree = shapely.STRtree(self.outlines)

    def at(self, lat, lon):
        """Zones that hold a place, and those whose boundary is too near to argue about; with margins in metres."""
        point = Point(lon, lat)
        holds = {self.ids[n] for n in self.tree.query(point, predicate="intersects")}
        # Half a metre is less than this in degrees of latitude, and of longitude away from the poles.
        reach = 0.5 / 110_000.0 / max(math.cos(math.radians(lat)), 0.01)
        near = {}
        for n in self.tree.query(point, predicate="dwithin", distance=reach):
            if shapely.distance(self.outlines[n].boundary, point) > reach:
                continue
            margin = boundary_distance(self.edges[n], lat, lon, NEAR_M)
            if margin is not None:
                near[self.ids[n]] = margin
        return holds, near

    def distances(self, lat, lon):
        """Signed distances of boundaries within reach."""
        point = Point(lon, lat)
        reach = DISTANCE_REACH_M / 110_000.0 / max(math.cos(math.radians(lat)), 0.01)
        for n in sorted(self.tree.query(point.buffer(reach).envelope), key=lambda n: self.ids[n]):
            if shapely.distance(self.outlines[n].boundary, point) > reach:
                continue
            margin = boundary_distance(self.edges[n], lat, lon, DISTANCE_REACH_M)
            if margin is not None:
                yield self.ids[n], -margin if self.outlines[n].intersects(point) else margin


class Circles:
    """Circles: the geodesic to the centre is at most the radius."""

    def __init__(self, rows):
        self.rows = rows
        self.cache = {}

    def margins(self, lat, lon):
        """Signed distance to each circle's line, where a rough look does not tell that it is far outside."""
        for name, _, _, c_lon, c_lat, radius in self.rows:
            rise = abs(lat - c_lat) * 110_000.0
            if rise > radius * 1.1 + DISTANCE_REACH_M:
                continue
            turn = abs((lon - c_lon + 180.0) % 360.0 - 180.0)
            widest = math.cos(math.radians(min(90.0, max(abs(lat), abs(c_lat)))))
            if turn * widest * 111_000.0 > radius * 1.8 + 2 * DISTANCE_REACH_M:
                continue
            yield name, geodesic(lat, lon, c_lat, c_lon) - radius

    def at(self, lat, lon):
        margins = list(self.margins(lat, lon))
        return {n for n, m in margins if m <= 0.0}, {n: abs(m) for n, m in margins if abs(m) < NEAR_M}

    def distances(self, lat, lon):
        return sorted((n, m) for n, m in self.margins(lat, lon) if abs(m) <= DISTANCE_REACH_M)


def verdicts(tracks, zones):
    """What holds each fix."""
    found = {}
    for device, rows in tracks.items():
        for seq, _, lat, lon in rows:
            found[device, seq] = zones.at(float(lat), float(lon))
    return found


def events(tracks, found):
    """Every change of in and out, in order of time, number and zone."""
    lines = []
    for device, rows in tracks.items():
        inside, first = set(), True
        for seq, time, _, _ in in_order(rows):
            now, near = found[device, seq]
            for zone in sorted(inside ^ now):
                line = {"track": device, "zone": zone, "time": time, "seq": seq}
                line["event"] = "enter" if zone in now else "exit"
                if zone in near:
                    line["margin_m"] = round(near[zone], 3)
                if first:
                    line["first"] = True
                lines.append(json.dumps(line, separators=(",", ":")))
            inside, first = now, False
    return "".join(line + "\n" for line in lines)


def located(tracks, found):
    lines = []
    for device, rows in tracks.items():
        for seq, _, _, _ in rows:
            holds, near = found[device, seq]
            line = {"track": device, "seq": seq, "in": sorted(holds)}
            if near:
                line["near"] = sorted(near)
            lines.append(json.dumps(line, separators=(",", ":")))
    return "".join(line + "\n" for line in lines)


def measured(tracks, areas, circles):
    lines = []
    for device, rows in tracks.items():
        for n, (seq, _, lat, lon) in enumerate(rows):
            # Local metres are promised up to 85 degrees; circles are measured everywhere.
            zones = [circles] if abs(float(lat)) > 84.0 else [areas, circles]
            if n % DISTANCE_EVERY == 0:
                for zone, metres in (pair for z in zones for pair in z.distances(float(lat), float(lon))):
                    line = {"track": device, "seq": seq, "zone": zone, "signed_distance_m": round(metres, 4)}
                    lines.append(json.dumps(line, separators=(",", ":")))
    return "".join(line + "\n" for line in lines)


def over_the_antimeridian(folder):
    """Points round the rings of a published suite, by the cut form: whole and cut must say the same."""
    lines = []
    for text in open(folder / "geometry/antimeridian.ndjson", encoding="utf-8"):
        case = json.loads(text)
        if "coordinates" not in case.get("output_flat", {}):
            continue
        cut = shape(case["output_flat"])
        if cut.is_empty or not cut.is_valid:
            continue
        west, south, east, north = cut.bounds
        points = []
        for row in range(-1, 13):
            for column in range(-1, 25):
                lat = round(max(-90.0, min(90.0, south + (north - south) * (row + 0.37) / 12.0)), 5)
                lon = round(max(-180.0, min(180.0, west + (east - west) * (column + 0.41) / 24.0)), 5)
                if cut.boundary.distance(Point(lon, lat)) > 1e-5:
                    points.append([lat, lon, bool(cut.intersects(Point(lon, lat)))])
        lines.append(json.dumps({"name": case["name"], "input": case["input"], "cut": case["output_flat"], "points": points}, separators=(",", ":")))
    return "".join(line + "\n" for line in lines)


def main():
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    target.mkdir(parents=True, exist_ok=True)
    tracks = all_tracks(source)
    table = io.StringIO()
    table.write("device,seq,time,lat,lon\n")
    for device, rows in tracks.items():
        for seq, time, lat, lon in rows:
            table.write(f"{device},{seq},{time},{lat},{lon}\n")
    write(target / "tracks.csv.gz", table.getvalue())
    features = areas(source, tracks)
    body = ",\n".join(json.dumps(feature, separators=(",", ":")) for feature in features)
    write(target / "areas.geojson.gz", '{"type":"FeatureCollection","features":[\n' + body + "\n]}\n")
    spots = circles(tracks)
    rows = "".join(f"{i},{n},{k},{lon},{lat},{radius:.0f}\n" for i, n, k, lon, lat, radius in spots)
    write(target / "circles.csv.gz", "id,name,kind,lon,lat,radius_m\n" + rows)
    for name, zones in (("areas", Areas(features)), ("circles", Circles(spots))):
        found = verdicts(tracks, zones)
        write(target / f"events_{name}.ndjson.gz", events(tracks, found))
        write(target / f"located_{name}.ndjson.gz", located(tracks, found))
    write(target / "distances.ndjson.gz", measured(tracks, Areas(features), Circles(spots)))
    write(target / "antimeridian.ndjson.gz", over_the_antimeridian(source))


main()
