/** One handler's processing time against its load: points, and lines where the load is now and would be. */
import { looks } from "../chart/look.js";
import { Plot, amounts, fromZero } from "../chart/plot.js";
import { h } from "../dom.js";
import { duration, plural, rate } from "../format.js";
import { colour } from "../theme.js";

/**
 * @typedef {import("./assessment.js").CurvePoint} CurvePoint
 * @typedef {import("/vendor/uPlot.js")} Drawing
 */

const HEIGHT = 200;

export class Curve {
    /** @param {string} name Of the handler. */
    constructor(name) {
        this.name = name;
        this.place = h("div", { class: "chart-place", role: "img" });
        this.element = h("div", {}, h("h3", {}, name), this.place);
        /** @type {Plot | null} */
        this.plot = null;
        /** @type {(number | null)[]} */
        this.loads = [];
    }

    /**
     * @param {CurvePoint[]} points
     * @param {(number | null)[]} loads Now and supposed, events per second.
     */
    draw(points, loads) {
        this.loads = loads;
        const sorted = points.toSorted((one, other) => one.load - other.load);
        /** @type {import("../chart/plot.js").Data} */
        const data = [sorted.map(({ load }) => load), sorted.map(({ seconds }) => seconds)];
        this.place.setAttribute(
            "aria-label",
            `${plural(points.length, "point")} of ${this.name}; the table says the same`,
        );
        if (this.plot) {
            this.plot.plot.setData(data);
        } else {
            this.plot = new Plot(this.place, this.options(), data);
        }
    }

    destroy() {
        this.plot?.destroy();
    }

    /** @returns {Omit<import("../chart/plot.js").Options, "width">} */
    options() {
        const paint = () => colour(looks([this.name])[0].colour);
        const reach = () => Math.max(0, ...this.loads.map((load) => load ?? 0));
        return {
            height: HEIGHT,
            legend: { show: false },
            padding: [8, 24, 0, 0],
            cursor: { show: false },
            scales: { x: { time: false, ...fromZero(reach) }, y: fromZero() },
            axes: [amounts(rate, { size: 24, space: 70 }), amounts(duration)],
            series: [{}, { stroke: paint, paths: () => null, points: { show: true, size: 5, fill: paint, space: 0 } }],
            hooks: { draw: [(plot) => this.loads.forEach((load, index) => line(plot, load, index > 0))] },
        };
    }
}

/**
 * @param {Drawing} plot
 * @param {number | null} load
 * @param {boolean} dashed
 */
function line({ ctx, bbox, valToPos }, load, dashed) {
    if (load === null) {
        return;
    }
    const x = Math.round(valToPos(load, "x", true)) + 0.5;
    ctx.save();
    ctx.strokeStyle = colour(dashed ? "--link" : "--quiet");
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash(dashed ? [5 * devicePixelRatio, 3 * devicePixelRatio] : []);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.restore();
}
