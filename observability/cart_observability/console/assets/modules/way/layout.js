/**
 * Where everything stands: nodes in layers along the way, reading left to right, or top to bottom where it is narrow.
 * What has a place among its neighbours keeps it when others appear.
 *
 * @typedef {import("../live.js").Way} Way
 * @typedef {import("../live.js").WayNode} WayNode
 * @typedef {{x: number, y: number, width: number}} Place The middle of a node.
 * @typedef {{width: number, height: number, scale: number, wide: boolean, nodeHeight: number,
 *     places: Map<string, Place>, lanes: Map<string, number>}} Layout `lanes`: links that go round, and where; `scale`:
 *     how many pixels of the screen one of the drawing's takes.
 */

const NODE_HEIGHT = 72;
const NARROWEST_IN_ROW = 86;
const ROW_ROOM = { least: 8, most: 28 };
const WIDEST_NODE = 190;
/** Of the way from a layer to the next: left to the link and its rate. */
const LINK_SHARE = 0.31;
/** The same from top to bottom. */
const LINK_ROOM = 52;
/** From layer to layer: what has to be, what the drawing is made larger from, and what looks torn apart beyond. */
const PITCHES = { least: 142, good: 200, most: 322 };
const LARGEST_SCALE = 1.75;
/** Width by height: rows stand apart until the drawing has it, unless they are too many or few. */
const PROPORTION = 2.6;
const ROW_GAPS = { least: 18, most: NODE_HEIGHT };
/** Links that go round: between two of them, with their rates beside or above. */
export const LANES = { across: 22, down: 14 };
/** Icons stand out at the corners of nodes. */
const EDGE = 14;
/** Beside the outmost nodes, for links that go round. */
const TURN = 20;

/** Remembers the order within layers for as long as the page is open. */
export class Order {
    constructor() {
        /** @type {Map<string, number>} */
        this.ranks = new Map();
    }

    /**
     * The nodes of each layer in order: a new one stands beside what leads to it, or last.
     *
     * @param {Way} way
     * @returns {WayNode[][]}
     */
    layers({ nodes, links }) {
        const columns = [...new Set(nodes.map((node) => node.column))].sort((a, b) => a - b);
        return columns.map((column) => {
            const layer = nodes.filter((node) => node.column === column);
            const taken = new Set(layer.map((node) => this.ranks.get(node.id)));
            for (const { id } of layer.filter((node) => !this.ranks.has(node.id))) {
                const rank = freeRank(this.wanted(id, links), taken);
                this.ranks.set(id, rank);
                taken.add(rank);
            }
            return layer.sort((a, b) => this.rank(a.id) - this.rank(b.id));
        });
    }

    /**
     * @param {string} id
     * @param {Way["links"]} links
     */
    wanted(id, links) {
        const before = links.filter((link) => link.to === id && this.ranks.has(link.from));
        return before.length ? before.reduce((sum, link) => sum + this.rank(link.from), 0) / before.length : 0;
    }

    /** @param {string} id */
    rank(id) {
        return this.ranks.get(id) ?? 0;
    }
}

/**
 * @param {number} wanted
 * @param {Set<number | undefined>} taken
 */
function freeRank(wanted, taken) {
    let rank = wanted;
    while (taken.has(rank)) {
        rank += 1;
    }
    return rank;
}

/**
 * @param {Way} way
 * @param {Order} order
 * @param {number} width What there is, px.
 * @returns {Layout}
 */
export function layout(way, order, width) {
    const layers = order.layers(way);
    const index = new Map(layers.flatMap((layer, number) => layer.map((node) => [node.id, number])));
    const lanes = lanesOf(way, index);
    const wide = (layers.length - LINK_SHARE) * PITCHES.least + 2 * edgeOf(lanes) <= width;
    const scale = Math.min(LARGEST_SCALE, Math.max(1, width / (layers.length * PITCHES.good)));
    return wide ? across(layers, lanes, width / scale, scale) : down(layers, lanes, width);
}

/** @param {Map<string, number>} lanes */
function edgeOf(lanes) {
    return lanes.size ? EDGE + TURN : EDGE;
}

/**
 * Links that do not lead to the next layer go round all nodes, each in a lane of its own; the shortest inmost.
 *
 * @param {Way} way
 * @param {Map<string, number>} index
 */
function lanesOf({ links }, index) {
    const steps = (/** @type {Way["links"][number]} */ { from, to }) => (index.get(to) ?? 0) - (index.get(from) ?? 0);
    const round = links.filter((link) => steps(link) !== 1 && index.has(link.from) && index.has(link.to));
    round.sort((a, b) => Math.abs(steps(a)) - Math.abs(steps(b)) || (a.id < b.id ? -1 : 1));
    return new Map(round.map((link, lane) => [link.id, lane]));
}

/**
 * @param {WayNode[][]} layers
 * @param {Map<string, number>} lanes
 * @param {number} width
 * @param {number} scale
 * @returns {Layout}
 */
function across(layers, lanes, width, scale) {
    const pitch = Math.min((width - 2 * edgeOf(lanes)) / (layers.length - LINK_SHARE), PITCHES.most);
    const nodeWidth = Math.min(pitch * (1 - LINK_SHARE), WIDEST_NODE);
    const most = Math.max(1, ...layers.map((layer) => layer.length));
    const top = EDGE + lanes.size * LANES.across;
    const gap = gapOf(most, width / PROPORTION - top - EDGE);
    const tall = most * (NODE_HEIGHT + gap) - gap;
    const begin = (width - (layers.length - 1) * pitch) / 2;
    /** @type {Map<string, Place>} */
    const places = new Map();
    layers.forEach((layer, number) =>
        layer.forEach((node, row) => {
            const y = top + tall / 2 + (row - (layer.length - 1) / 2) * (NODE_HEIGHT + gap);
            places.set(node.id, { x: begin + number * pitch, y, width: nodeWidth });
        }),
    );
    const height = top + tall + EDGE;
    return { width, height, scale, wide: true, nodeHeight: NODE_HEIGHT, places, lanes };
}

/**
 * @param {number} rows
 * @param {number} height That they may have.
 */
function gapOf(rows, height) {
    const even = (height - rows * NODE_HEIGHT) / Math.max(1, rows - 1);
    return Math.min(ROW_GAPS.most, Math.max(ROW_GAPS.least, even));
}

/**
 * @param {WayNode[][]} layers
 * @param {Map<string, number>} lanes
 * @param {number} width
 * @returns {Layout}
 */
function down(layers, lanes, width) {
    const side = ROW_ROOM.least + lanes.size * LANES.down;
    const room = width - side;
    const fits = Math.max(1, Math.floor(room / (NARROWEST_IN_ROW + ROW_ROOM.least)));
    const rows = layers.flatMap((layer) => split(layer, fits));
    const pitch = NODE_HEIGHT + LINK_ROOM;
    /** @type {Map<string, Place>} */
    const places = new Map();
    rows.forEach((row, at) => {
        const nodeWidth = Math.min(WIDEST_NODE, room / row.length - ROW_ROOM.least);
        const step = Math.min(nodeWidth + ROW_ROOM.most, room / row.length);
        row.forEach((node, column) => {
            const x = side + room / 2 + (column - (row.length - 1) / 2) * step;
            places.set(node.id, { x, y: EDGE + NODE_HEIGHT / 2 + at * pitch, width: nodeWidth });
        });
    });
    const height = rows.length * pitch - LINK_ROOM + EDGE + edgeOf(lanes);
    return { width, height, scale: 1, wide: false, nodeHeight: NODE_HEIGHT, places, lanes };
}

/**
 * @param {WayNode[]} layer
 * @param {number} fits
 */
function split(layer, fits) {
    return Array.from({ length: Math.ceil(layer.length / fits) }, (_, row) =>
        layer.slice(row * fits, (row + 1) * fits),
    );
}
