/**
 * The time axis of a trace: from a time to a share of the width, and back. Long times in which nobody worked can be
 * drawn short, or the work would be too thin to be seen.
 *
 * @typedef {import("../shapes.js").Trace} Trace
 * @typedef {{start: number, end: number, left: number, right: number, short: boolean}} Part Times in ms; ends as shares
 *     of the width.
 */

/** A time without work takes no more than this share of all work, once shortened. */
const SHORT_SHARE = 0.12;
/** From this share of idle time on, it is shortened without being asked. */
const MOSTLY_IDLE = 0.6;
/** Nothing is thinner than this, ms: a span may take no time at all. */
const LEAST_MS = 0.001;

export class Axis {
    /**
     * @param {Trace} trace
     * @param {boolean} shortens
     */
    constructor(trace, shortens) {
        this.start = trace.start;
        this.end = trace.start + Math.max(trace.duration_ms, LEAST_MS);
        const busy = busyTimes(trace);
        const work = busy.reduce((sum, [from, to]) => sum + to - from, 0);
        /** @type {Part[]} */
        this.parts = partsOf(this.start, this.end, shortens ? busy : [], Math.max(work * SHORT_SHARE, LEAST_MS));
    }

    /**
     * @param {number} time ms
     * @returns {number} Share of the width.
     */
    at(time) {
        const part = this.parts.find(({ end }) => time <= end) ?? this.parts[this.parts.length - 1];
        const share = (time - part.start) / (part.end - part.start || 1);
        return part.left + Math.min(1, Math.max(0, share)) * (part.right - part.left);
    }

    /**
     * @param {number} share Of the width.
     * @returns {number} ms
     */
    time(share) {
        const part = this.parts.find(({ right }) => share <= right) ?? this.parts[this.parts.length - 1];
        return part.start + ((share - part.left) / (part.right - part.left || 1)) * (part.end - part.start);
    }
}

/**
 * Whether most of a trace's time nobody worked.
 *
 * @param {Trace} trace
 */
export function mostlyIdle(trace) {
    const work = busyTimes(trace).reduce((sum, [from, to]) => sum + to - from, 0);
    return work < trace.duration_ms * (1 - MOSTLY_IDLE);
}

/**
 * When at least one span was at work, in order and apart.
 *
 * @param {Trace} trace
 * @returns {[number, number][]}
 */
function busyTimes({ spans }) {
    /** @type {[number, number][]} */
    const times = [];
    for (const { start, duration_ms } of [...spans].sort((a, b) => a.start - b.start)) {
        const last = times[times.length - 1];
        if (last && start <= last[1]) {
            last[1] = Math.max(last[1], start + duration_ms);
        } else {
            times.push([start, start + duration_ms]);
        }
    }
    return times;
}

/**
 * @param {number} start
 * @param {number} end
 * @param {[number, number][]} busy
 * @param {number} longest Of an idle part, drawn.
 * @returns {Part[]}
 */
function partsOf(start, end, busy, longest) {
    const idle = busy
        .slice(1)
        .map(([from], index) => [busy[index][1], from])
        .filter(([from, to]) => to - from > longest);
    const cuts = [start, ...idle.flat(), end];
    const pieces = cuts.slice(1).map((to, index) => ({ start: cuts[index], end: to, short: index % 2 === 1 }));
    const drawn = pieces.map((piece) => (piece.short ? longest : piece.end - piece.start));
    const whole = drawn.reduce((sum, length) => sum + length, 0) || 1;
    let left = 0;
    return pieces.map((piece, index) => {
        const right = left + drawn[index] / whole;
        const part = { ...piece, left, right };
        left = right;
        return part;
    });
}
