/**
 * The line of a link, as the `d` of an SVG path: straight on to the next layer in a curve, else round all nodes.
 *
 * @typedef {import("./layout.js").Layout} Layout
 * @typedef {import("./layout.js").Place} Place
 */
import { LANES } from "./layout.js";

const CORNER = 9;
/** Of a line that goes round, from the middle of a node's side. */
const ASIDE = 16;

/**
 * @param {Layout} layout
 * @param {{id: string, from: string, to: string}} link
 * @returns {string | null} Null where an end is missing.
 */
export function route(layout, link) {
    const [from, to] = [layout.places.get(link.from), layout.places.get(link.to)];
    if (!from || !to) {
        return null;
    }
    const lane = layout.lanes.get(link.id);
    return lane === undefined ? straight(layout, from, to) : round(layout, from, to, lane);
}

/**
 * @param {Layout} layout
 * @param {Place} from
 * @param {Place} to
 */
function straight({ wide, nodeHeight }, from, to) {
    if (wide) {
        const [x1, x2] = [from.x + from.width / 2, to.x - to.width / 2];
        const middle = (x1 + x2) / 2;
        return `M${x1} ${from.y}C${middle} ${from.y} ${middle} ${to.y} ${x2} ${to.y}`;
    }
    const [y1, y2] = [from.y + nodeHeight / 2, to.y - nodeHeight / 2];
    const middle = (y1 + y2) / 2;
    return `M${from.x} ${y1}C${from.x} ${middle} ${to.x} ${middle} ${to.x} ${y2}`;
}

/**
 * @param {Layout} layout
 * @param {Place} from
 * @param {Place} to
 * @param {number} lane
 */
function round({ wide, nodeHeight, lanes }, from, to, lane) {
    const spread = (lane % 3) * 5;
    const apart = wide ? LANES.across : LANES.down;
    const far = 4 + (lanes.size - 0.5 - lane) * apart;
    if (wide) {
        const [x1, x2] = [from.x + from.width / 2, to.x - to.width / 2];
        const [y1, y2] = [from.y - ASIDE - spread, to.y - ASIDE - spread];
        return rounded([
            [x1, y1],
            [x1 + 12 + spread, y1],
            [x1 + 12 + spread, far],
            [x2 - 12 - spread, far],
            [x2 - 12 - spread, y2],
            [x2, y2],
        ]);
    }
    const [y1, y2] = [from.y + nodeHeight / 2, to.y - nodeHeight / 2];
    const [x1, x2] = [from.x - ASIDE - spread, to.x - ASIDE - spread];
    return rounded([
        [x1, y1],
        [x1, y1 + 12 + spread],
        [far, y1 + 12 + spread],
        [far, y2 - 12 - spread],
        [x2, y2 - 12 - spread],
        [x2, y2],
    ]);
}

/**
 * A line of straight parts with round corners.
 *
 * @param {number[][]} points
 */
function rounded(points) {
    const [first, ...rest] = points;
    const last = rest[rest.length - 1];
    const corners = rest.slice(0, -1).map((corner, i) => {
        const [before, after] = [points[i], rest[i + 1]];
        const near = toward(corner, before);
        const next = toward(corner, after);
        return `L${near}Q${corner.join(" ")} ${next}`;
    });
    return `M${first.join(" ")}${corners.join("")}L${last.join(" ")}`;
}

/**
 * A point near a corner, on the way to another.
 *
 * @param {number[]} corner
 * @param {number[]} other
 */
function toward([x, y], [u, v]) {
    const length = Math.hypot(u - x, v - y) || 1;
    const part = Math.min(CORNER, length / 2) / length;
    return `${x + (u - x) * part} ${y + (v - y) * part}`;
}
