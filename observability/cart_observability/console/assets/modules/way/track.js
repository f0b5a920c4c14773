/**
 * A line as places along it, a few pixels apart.
 *
 * @typedef {Float32Array} Track x and y by turns.
 */

const APART_PX = 4;

/**
 * @param {SVGPathElement} line
 * @returns {Track}
 */
export function track(line) {
    const length = line.getTotalLength();
    const count = Math.max(2, Math.ceil(length / APART_PX) + 1);
    const points = new Float32Array(count * 2);
    for (let i = 0; i < count; i += 1) {
        const { x, y } = line.getPointAtLength((length * i) / (count - 1));
        points.set([x, y], i * 2);
    }
    return points;
}

/**
 * How long it is, px.
 *
 * @param {Track} points
 */
export function lengthOf(points) {
    let length = 0;
    for (let i = 2; i < points.length; i += 2) {
        length += Math.hypot(points[i] - points[i - 2], points[i + 1] - points[i - 1]);
    }
    return length;
}
