/**
 * What became of dead letters that were replayed.
 *
 * @typedef {{id: string, handler: string, event_id: string | null, event_type: string | null,
 *     outcome: "done" | "dead_lettered" | null}} Replayed
 * @typedef {{time: number, count: number, letters: Replayed[]}} Replay
 */
import { h, keep } from "/modules/dom.js";
import { count, plural, time } from "/modules/format.js";
import { outcomeBadge } from "/modules/outcome.js";

export class Replays {
    constructor() {
        this.list = h("div", {});
        this.element = h("section", { class: "dead-letters-replays", hidden: true }, h("h2", {}, "Replayed of late"), this.list);
        /** Whether an outcome is still to come. */
        this.open = false;
    }

    /** @param {Replay[]} replays Newest first. */
    draw(replays) {
        this.element.hidden = replays.length === 0;
        this.open = replays.some(({ letters }) => letters.some(isOpen));
        keep(
            this.list,
            replays,
            (replay) => String(replay.time),
            (replay) => made(replay),
            (element, replay) => redraw(element, replay),
        );
    }
}

/** @param {Replay} replay */
function made(replay) {
    const element = h("details", { class: "card" }, h("summary", {}), h("ul", {}));
    redraw(element, replay);
    return element;
}

/**
 * @param {Element} element
 * @param {Replay} replay
 */
function redraw(element, replay) {
    const state = JSON.stringify(replay);
    if (element.getAttribute("data-state") === state) {
        return;
    }
    element.setAttribute("data-state", state);
    const [summary, list] = element.children;
    summary.replaceChildren(`${time(replay.time)}  ${plural(replay.count, "dead letter")}: ${summed(replay)}`);
    list.replaceChildren(...replay.letters.map(line), ...rest(replay));
}

/** @param {Replay} replay */
function summed({ letters, count: all }) {
    /** @param {(letter: Replayed) => boolean} test */
    const number = (test) => letters.filter(test).length;
    const parts = [
        { n: number(({ outcome }) => outcome === "done"), words: "done" },
        { n: number(({ outcome }) => outcome === "dead_lettered"), words: "given up again" },
        { n: number(isOpen), words: "under way" },
        { n: number(({ event_id }) => event_id === null), words: "no event, so not followed" },
        { n: all - letters.length, words: "not followed" },
    ];
    return parts
        .filter(({ n }) => n > 0)
        .map(({ n, words }) => `${count(n)} ${words}`)
        .join(", ");
}

/** @param {Replayed} letter */
function isOpen({ outcome, event_id }) {
    return outcome === null && event_id !== null;
}

/** @param {Replayed} letter */
function line({ event_id, event_type, handler, outcome, id }) {
    const what = event_id
        ? h("a", { href: `#/events/${encodeURIComponent(event_id)}`, title: event_id }, event_type ?? event_id)
        : h("span", { class: "quiet", title: id }, "no event that can be read");
    return h("li", {}, what, ` in ${handler} `, event_id && outcomeBadge(outcome));
}

/** @param {Replay} replay */
function rest({ count: all, letters }) {
    return all > letters.length ? [h("li", { class: "quiet" }, `and ${count(all - letters.length)} more`)] : [];
}
