/**
 * Where the rate of each link stands: at the middle of its line, or as near to it as there is room between nodes, lines
 * and other rates.
 *
 * @typedef {import("./layout.js").Layout} Layout
 * @typedef {import("./track.js").Track} Track
 * @typedef {{x: number, y: number}} Point
 * @typedef {{left: number, top: number, right: number, bottom: number}} Box
 */

/** What a rate takes at most, px. */
const SIZE = { width: 42, height: 14 };
/** Parts of the way along a line, the best first. */
const SPOTS = [0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82];
/** A line that rises less is level: its rate stands above it. */
const LEVEL = 0.5;
/** From a line to the middle of a rate above it, or to the edge of one beside it. */
const ASIDE = { above: 10, beside: 7 };
/** What the sign of a node's kind takes at its corner. */
const ICON = 13;
/** How much a place of another line is worth beside a square pixel of a node or rate. */
const CROSSED = 8;

/**
 * @param {Layout} layout
 * @param {Map<string, Track>} tracks Of the links, by id.
 * @param {string[]} rated The ids of those that have a rate.
 * @returns {Map<string, Point>} The middle of each rate.
 */
export function labels(layout, tracks, rated) {
    const taken = nodes(layout);
    /** @type {Map<string, Point>} */
    const places = new Map();
    // The shortest first: who has little room chooses before those that have much.
    const sorted = [...tracks].sort(([, a], [, b]) => a.length - b.length);
    for (const [id, way] of sorted.filter(([link]) => rated.includes(link))) {
        const others = sorted.filter(([other]) => other !== id).map(([, other]) => other);
        const spots = SPOTS.map((spot) => beside(layout, way, spot));
        const costs = spots.map((spot) => cost(boxOf(spot), taken, others));
        const best = spots[costs.indexOf(Math.min(...costs))];
        taken.push(boxOf(best));
        places.set(id, best);
    }
    return places;
}

/**
 * @param {Layout} layout
 * @returns {Box[]}
 */
function nodes({ places, nodeHeight }) {
    return [...places.values()].flatMap(({ x, y, width }) => {
        const [left, top] = [x - width / 2, y - nodeHeight / 2];
        return [
            { left, top, right: left + width, bottom: top + nodeHeight },
            { left: left - ICON, top: top - ICON, right: left + ICON, bottom: top + ICON },
        ];
    });
}

/**
 * @param {Layout} layout
 * @param {Track} way
 * @param {number} part Of the line.
 * @returns {Point}
 */
function beside({ wide }, way, part) {
    const i = 2 * Math.min(way.length / 2 - 2, Math.floor((way.length / 2 - 1) * part));
    const [x, y] = [(way[i] + way[i + 2]) / 2, (way[i + 1] + way[i + 3]) / 2];
    const level = Math.abs(way[i + 3] - way[i + 1]) < LEVEL * Math.abs(way[i + 2] - way[i]);
    if (level) {
        return { x, y: y - ASIDE.above };
    }
    // Between layers that stand side by side there is no room but on the line.
    return { x: wide ? x : x + ASIDE.beside + SIZE.width / 2, y };
}

/**
 * @param {Point} point
 * @returns {Box}
 */
function boxOf({ x, y }) {
    const [right, bottom] = [x + SIZE.width / 2, y + SIZE.height / 2];
    return { left: right - SIZE.width, top: bottom - SIZE.height, right, bottom };
}

/**
 * @param {Box} box
 * @param {Box[]} taken
 * @param {Track[]} lines
 */
function cost(box, taken, lines) {
    const covered = taken.reduce((sum, other) => sum + shared(box, other), 0);
    return covered + CROSSED * lines.reduce((sum, line) => sum + within(box, line), 0);
}

/**
 * @param {Box} one
 * @param {Box} other
 */
function shared(one, other) {
    const width = Math.min(one.right, other.right) - Math.max(one.left, other.left);
    const height = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
    return Math.max(0, width) * Math.max(0, height);
}

/**
 * How many places of a line are in a box.
 *
 * @param {Box} box
 * @param {Track} line
 */
function within({ left, top, right, bottom }, line) {
    let count = 0;
    for (let i = 0; i < line.length; i += 2) {
        if (line[i] > left && line[i] < right && line[i + 1] > top && line[i + 1] < bottom) {
            count += 1;
        }
    }
    return count;
}
