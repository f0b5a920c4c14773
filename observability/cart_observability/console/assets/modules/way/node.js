/** A node of the map: its shape, name, figures and how much waits in it. */
import { svg } from "../dom.js";
import { count, duration } from "../format.js";
import { delayOf, keepsUp } from "./flow.js";
import { kindOf } from "./kinds.js";
import { brief, HOLDERS, spoken, STALE_MS } from "./words.js";

/** @typedef {import("../live.js").WayNode} WayNode */

const PADS = { wide: 11, narrow: 9 };
const NARROW = 96;
/** So many waiting events fill the bar; it grows with their logarithm, so that a few can be seen as well. */
const FULL_POWER = 4;
const LATE_S = 10;
const SHORTEST = 3;
const FEW = 3;
const FONT = "600 12px ";

export class NodeMark {
    /**
     * @param {WayNode} node
     * @param {(id: string) => void} open
     */
    constructor({ id, kind, name }, open) {
        this.id = id;
        this.name = name;
        this.kind = kindOf(kind);
        this.shape = svg("path", { class: "way-shape" });
        this.title = svg("text", { class: "way-name" });
        this.figure = svg("text", {});
        this.detail = svg("text", { class: "way-detail" });
        this.bar = svg("rect", { class: "way-fill", height: 5, rx: 2 });
        this.track = svg("rect", { class: "way-track", height: 5, rx: 2 });
        this.errors = svg(
            "g",
            { class: "way-errors" },
            svg("rect", { height: 18, rx: 9, y: -9 }),
            svg("text", { y: 4 }),
        );
        this.icon = svg(
            "g",
            { class: "way-icon" },
            svg("circle", { r: 12 }),
            svg("path", { d: this.kind.icon, transform: "translate(-7 -7) scale(0.875)" }),
        );
        this.element = svg(
            "g",
            {
                class: "way-node",
                "data-kind": kind,
                "data-id": id,
                tabindex: 0,
                role: "button",
                onclick: () => open(id),
                onkeydown: (/** @type {KeyboardEvent} */ event) => {
                    if (event.key === "Enter" || event.key === " ") {
                        event.preventDefault();
                        open(id);
                    }
                },
            },
            // Blanks, or all its text would be one word to who hears it.
            [
                this.shape,
                this.track,
                this.bar,
                this.title,
                " ",
                this.figure,
                " ",
                this.detail,
                this.icon,
                " ",
                this.errors,
            ],
        );
    }

    /**
     * @param {import("./layout.js").Place} place
     * @param {number} height
     */
    put({ x, y, width }, height) {
        const pad = width < NARROW ? PADS.narrow : PADS.wide;
        this.inner = width - 2 * pad;
        this.element.style.transform = `translate(${x}px, ${y}px)`;
        this.shape.setAttribute("d", this.kind.outline(width, height));
        this.title.textContent = fitting(this.name, this.inner);
        const left = String(-this.inner / 2);
        for (const [index, text] of [this.title, this.figure, this.detail].entries()) {
            text.setAttribute("x", left);
            text.setAttribute("y", String(23 - height / 2 + index * 17));
        }
        for (const bar of [this.track, this.bar]) {
            bar.setAttribute("x", left);
            bar.setAttribute("y", String(height / 2 - 9));
        }
        this.track.setAttribute("width", String(this.inner));
        this.icon.setAttribute("transform", `translate(${3 - width / 2} ${3 - height / 2})`);
        this.errors.setAttribute("transform", `translate(${width / 2 - 4} ${-height / 2})`);
    }

    /**
     * @param {WayNode} node
     * @param {number} now
     * @param {boolean} chosen
     */
    update(node, now, chosen) {
        const { element } = this;
        const [figure, detail] = figures(node);
        this.figure.textContent = figure;
        this.detail.textContent = detail;
        this.fill(node);
        this.fail(node.errors);
        element.classList.toggle("stale", now - node.last > STALE_MS);
        // What is seen comes first, so that who says what he sees to his computer is understood.
        const seen = [this.title, this.figure, this.detail, this.errors].map((part) => part.textContent);
        element.setAttribute("aria-label", `${seen.filter(Boolean).join(" ")} ${this.kind.words} ${node.name}`);
        element.setAttribute("aria-description", spoken(node, now));
        element.setAttribute("aria-pressed", String(chosen));
    }

    /** @param {WayNode} node */
    fill(node) {
        const { backlog, kind } = node;
        const holds = backlog !== null && HOLDERS.includes(kind);
        const share = Math.min(1, Math.log10(1 + (backlog ?? 0)) / FULL_POWER);
        this.track.style.display = holds ? "" : "none";
        this.bar.style.display = holds && share > 0 ? "" : "none";
        this.bar.setAttribute("width", String((this.inner ?? 0) * share));
        this.bar.classList.toggle("late", (delayOf(node) ?? 0) > LATE_S);
        this.detail.classList.toggle("bad", HOLDERS.includes(kind) && keepsUp(node) === false);
    }

    /** @param {number} errors */
    fail(errors) {
        this.errors.style.display = errors > 0 ? "" : "none";
        const [back, text] = this.errors.children;
        text.textContent = "";
        if (errors > 0) {
            text.textContent = `✕ ${brief(errors)}/s`;
            const width = (text.textContent.length + 2) * 6.2;
            back.setAttribute("width", String(width));
            back.setAttribute("x", String(-width));
            text.setAttribute("x", String(-width + 7));
        }
    }
}

/**
 * The two lines under the name.
 *
 * @param {WayNode} node
 */
function figures({ kind, rate, backlog, oldest_age_s, p99_s, wait_s }) {
    const passes = rate === null ? "" : `${brief(rate)}/s`;
    if (kind === "failures") {
        return [backlog === null ? passes : `${count(backlog)} dead`, backlog === null ? "" : passes];
    }
    if (backlog !== null && HOLDERS.includes(kind)) {
        const old = backlog >= 1 && oldest_age_s !== null ? `oldest ${duration(oldest_age_s)}` : passes;
        return [`${count(backlog)} waiting`, old];
    }
    if (kind === "queue") {
        return [passes, wait_s === null ? "" : `waited ${about(wait_s)}`];
    }
    return [passes, p99_s === null ? "" : `p99 ${duration(p99_s)}`];
}

/**
 * A time for which there is little room: seconds of many minutes say nothing.
 *
 * @param {number} seconds
 */
function about(seconds) {
    return duration(seconds < 60 ? seconds : 60 * Math.round(seconds / 60));
}

const pen = document.createElement("canvas").getContext("2d");

/**
 * As much of a name as there is room for: what many names begin with goes first.
 *
 * @param {string} name
 * @param {number} width
 */
function fitting(name, width) {
    const fits = (/** @type {string} */ text) => widthOf(text) <= width;
    if (fits(name)) {
        return name;
    }
    const tail = /^[^-._/:\s]+[-._/:]([^\s]+)$/.exec(name)?.[1] ?? name;
    let kept = tail.length;
    while (kept > SHORTEST && !fits(shortened(tail, kept))) {
        kept -= 1;
    }
    return shortened(tail, kept);
}

/**
 * A name without its end, or, where much has to go, without its middle: names often differ at their ends.
 *
 * @param {string} name
 * @param {number} kept Characters.
 */
function shortened(name, kept) {
    const end = name.length - kept > FEW ? Math.floor(kept / 2) : 0;
    return kept === name.length ? name : `${name.slice(0, kept - end)}…${end ? name.slice(-end) : ""}`;
}

/** @param {string} text */
function widthOf(text) {
    if (!pen) {
        return text.length * 7;
    }
    pen.font = FONT + getComputedStyle(document.body).fontFamily;
    return pen.measureText(text).width;
}
