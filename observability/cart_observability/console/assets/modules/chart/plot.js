/**
 * One drawing of uPlot, in the page's colours, as wide as its place.
 *
 * @typedef {import("/vendor/uPlot.js").Options} Options
 * @typedef {import("/vendor/uPlot.js").Axis} Axis
 * @typedef {import("/vendor/uPlot.js").AlignedData} Data
 */
import uPlot from "/vendor/uPlot.js";
import { stylesheet } from "../dom.js";
import { number, preciseTime, time } from "../format.js";
import { colour, onColours } from "../theme.js";

// Before the first drawing: it is measured as it is made.
await Promise.all(["/vendor/uPlot.css", "/styles/chart.css"].map(stylesheet));

const FONT = '11px system-ui, "Segoe UI", "DejaVu Sans", sans-serif';
const MARGIN = 1.08;
const NARROWEST = 60;
const DAY_S = 86_400;

export class Plot {
    /**
     * @param {HTMLElement} place
     * @param {Omit<Options, "width">} options
     * @param {Data} data
     */
    constructor(place, options, data) {
        this.place = place;
        this.plot = new uPlot({ ...options, width: this.width() }, data, place);
        this.ends = [onColours(() => this.plot.redraw(false)), this.follow()];
    }

    width() {
        return Math.max(NARROWEST, this.place.clientWidth);
    }

    /** Stay as wide as the place. */
    follow() {
        const observer = new ResizeObserver(() => {
            if (this.width() !== this.plot.width) {
                this.plot.setSize({ width: this.width(), height: this.plot.height });
            }
        });
        observer.observe(this.place);
        return () => observer.disconnect();
    }

    destroy() {
        this.ends.forEach((end) => end());
        this.plot.destroy();
    }
}

/**
 * An axis in quiet colours.
 *
 * @param {Partial<Axis>} own
 * @returns {Axis}
 */
export function axis(own) {
    const line = () => colour("--line");
    return {
        stroke: () => colour("--quiet"),
        font: FONT,
        labelFont: FONT,
        grid: { stroke: line, width: 1 },
        ticks: { stroke: line, width: 1, size: 4 },
        gap: 4,
        ...own,
    };
}

/**
 * An axis of amounts, wide enough for what is written on it.
 *
 * @param {(value: number) => string} write
 * @param {Partial<Axis>} [own]
 * @returns {Axis}
 */
export function amounts(write = number, own = {}) {
    return axis({
        values: (plot, splits) => splits.map((value) => (value === null ? "" : write(value))),
        size: (plot, values) => 14 + Math.max(20, ...(values ?? []).map((text) => widthOf(plot, text))),
        space: 34,
        ...own,
    });
}

/**
 * An axis of time, in ms.
 *
 * @returns {Axis}
 */
export function moments() {
    return axis({
        values: (plot, splits, index, space, step) => splits.map((ms) => written(ms, step / 1_000)),
        space: 64,
        size: 24,
    });
}

/**
 * A scale of amounts: from nothing to a little above the most.
 *
 * @param {() => number} [reach] Something else that must be on it.
 * @returns {import("/vendor/uPlot.js").Scale}
 */
export function fromZero(reach = () => 0) {
    return {
        range: (plot, least, most) => [Math.min(0, least ?? 0), Math.max(most ?? 0, reach()) * MARGIN || 1],
    };
}

/**
 * @param {uPlot} plot
 * @param {string} text
 */
function widthOf(plot, text) {
    plot.ctx.font = FONT;
    // The font is set in CSS pixels here, whatever the canvas is scaled by.
    return plot.ctx.measureText(text).width;
}

/**
 * @param {number} ms
 * @param {number} step Seconds.
 */
function written(ms, step) {
    if (step >= DAY_S) {
        return new Date(ms).toLocaleDateString("sv-SE").slice(5);
    }
    return step >= 60 ? time(ms).slice(0, 5) : step >= 1 ? time(ms) : preciseTime(ms).slice(3);
}
