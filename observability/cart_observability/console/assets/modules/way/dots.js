/**
 * Dots that move along the links at the true rate: one dot is one event, or n of them where there would be too many.
 *
 * @typedef {{id: string, rate: number, errors: number}} Flow Events a second, and how many of them fail.
 * @typedef {{points: import("./track.js").Track, duration: number}} Course Seconds from end to end.
 * @typedef {{flow: Flow, next: number, gathered: number}} Source
 * @typedef {{course: Course, age: number, failed: boolean}} Dot
 */
import { colour, onColours } from "../theme.js";
import { lengthOf } from "./track.js";

/** Dots a second on all links together. */
const MOST_A_SECOND = 120;
const STEPS = [1, 2, 5];
const PIXELS_A_SECOND = 150;
const RADIUS = 3.5;
/** Longer ago than this, a frame was not drawn because nobody looked. */
const LONGEST_FRAME_S = 0.1;

/**
 * For how many events one dot stands; it changes only when it has to, lest it flicker.
 *
 * @param {number} rate Events a second on all links together.
 * @param {number} before
 */
export function eventsPerDot(rate, before) {
    let n = 1;
    for (let step = 0; rate / n > MOST_A_SECOND; step += 1) {
        n = STEPS[step % 3] * 10 ** Math.floor(step / 3);
    }
    const stays = rate / before <= MOST_A_SECOND * 1.1 && rate / n > MOST_A_SECOND * 0.9;
    return stays ? Math.max(n, before) : n;
}

export class Dots {
    /** @param {HTMLCanvasElement} canvas */
    constructor(canvas) {
        this.canvas = canvas;
        this.pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
        /** @type {Map<string, Course>} */
        this.courses = new Map();
        /** @type {Map<string, Source>} */
        this.sources = new Map();
        /** @type {Dot[]} */
        this.dots = [];
        this.perDot = 1;
        this.before = 0;
        this.frame = 0;
        this.dirty = false;
        this.endColours = onColours(() => this.colours());
        this.colours();
    }

    colours() {
        this.fine = colour("--accent");
        this.failed = colour("--bad");
    }

    /**
     * The links were drawn anew; dots on their way end.
     *
     * @param {Map<string, import("./track.js").Track>} tracks
     * @param {{width: number, height: number, scale: number}} size
     */
    drawn(tracks, { width, height, scale }) {
        const fine = scale * Math.min(devicePixelRatio, 2);
        this.canvas.width = Math.round(width * fine);
        this.canvas.height = Math.round(height * fine);
        this.canvas.style.width = `${width * scale}px`;
        this.canvas.style.height = `${height * scale}px`;
        this.pen.scale(fine, fine);
        this.courses = new Map([...tracks].map(([id, points]) => [id, course(points)]));
        this.dots = [];
    }

    /** @param {Flow[]} flows */
    flow(flows) {
        this.perDot = eventsPerDot(
            flows.reduce((sum, { rate }) => sum + rate, 0),
            this.perDot,
        );
        this.sources = new Map(
            flows.map((flow) => {
                const { next, gathered } = this.sources.get(flow.id) ?? { next: Math.random(), gathered: 0 };
                return [flow.id, { flow, next, gathered }];
            }),
        );
    }

    start() {
        this.before = performance.now();
        this.frame = requestAnimationFrame((now) => this.step(now));
    }

    stop() {
        cancelAnimationFrame(this.frame);
        this.endColours();
    }

    /** @param {number} now */
    step(now) {
        const seconds = Math.min(Math.max(now - this.before, 0) / 1_000, LONGEST_FRAME_S);
        this.before = now;
        this.emit(seconds);
        this.move(seconds);
        this.draw();
        this.frame = requestAnimationFrame((later) => this.step(later));
    }

    /** @param {number} seconds */
    emit(seconds) {
        for (const source of this.sources.values()) {
            const { id, rate, errors } = source.flow;
            const way = this.courses.get(id);
            source.gathered += (rate / this.perDot) * seconds;
            if (way && source.gathered >= source.next) {
                source.gathered -= source.next;
                source.next = 0.6 + Math.random() * 0.8;
                this.dots.push({ course: way, age: 0, failed: Math.random() * rate < errors });
            }
        }
    }

    /** @param {number} seconds */
    move(seconds) {
        let kept = 0;
        for (const dot of this.dots) {
            dot.age += seconds;
            if (dot.age < dot.course.duration) {
                this.dots[kept] = dot;
                kept += 1;
            }
        }
        this.dots.length = kept;
    }

    draw() {
        const { pen, canvas, dots } = this;
        if (!this.dirty && dots.length === 0) {
            // An untouched canvas costs the browser no new picture.
            return;
        }
        pen.clearRect(0, 0, canvas.width, canvas.height);
        this.dirty = dots.length > 0;
        pen.fillStyle = this.fine ?? "";
        pen.beginPath();
        for (const dot of dots) {
            if (!dot.failed) {
                const [x, y] = placeOf(dot);
                pen.moveTo(x + RADIUS, y);
                pen.arc(x, y, RADIUS, 0, 7);
            }
        }
        pen.fill();
        this.drawFailed();
    }

    /** A failed one is a cross: told apart without its colour. */
    drawFailed() {
        const { pen } = this;
        pen.strokeStyle = this.failed ?? "";
        pen.lineWidth = 2.5;
        pen.beginPath();
        for (const dot of this.dots.filter(({ failed }) => failed)) {
            const [x, y] = placeOf(dot);
            pen.moveTo(x - RADIUS, y - RADIUS);
            pen.lineTo(x + RADIUS, y + RADIUS);
            pen.moveTo(x + RADIUS, y - RADIUS);
            pen.lineTo(x - RADIUS, y + RADIUS);
        }
        pen.stroke();
    }
}

/**
 * @param {import("./track.js").Track} points
 * @returns {Course}
 */
function course(points) {
    return { points, duration: Math.max(0.5, lengthOf(points) / PIXELS_A_SECOND) };
}

/**
 * @param {Dot} dot
 * @returns {[number, number]}
 */
function placeOf({ course: { points, duration }, age }) {
    const at = (age / duration) * (points.length / 2 - 1);
    const i = Math.floor(at);
    const part = at - i;
    const [x, y] = [points[2 * i], points[2 * i + 1]];
    return [x + (points[2 * i + 2] - x) * part, y + (points[2 * i + 3] - y) * part];
}
