/**
 * One fault as a card.
 *
 * @typedef {{handler: string | null, since: string, until: string | null}} Entry
 * @typedef {{name: string, concerns: string, does: string, happens_once: boolean, handlers: string[], takes: number,
 *     on: Entry[], watch: {metric: string, places: {title: string, address: string}[]}}} Fault `takes`: seconds until all
 *     that it does is seen.
 * @typedef {(name: string, act: "on" | "off", wish: {handler?: string | null, seconds?: number | null}) => Promise<void>}
 *     Turn
 */
import { fill, h } from "/modules/dom.js";
import { duration, time } from "/modules/format.js";
import { titleOf } from "/modules/marks.js";

/** For how long a fault may be switched on: seconds, and none for until it is switched off. */
const TIMES = [
    { seconds: "30", words: "for 30 s" },
    { seconds: "60", words: "for 1 min" },
    { seconds: "300", words: "for 5 min" },
    { seconds: "", words: "until switched off" },
];
/** @type {Record<string, string>} */
const WHOM = {
    handler: "a handler",
    outside: "every handler that acts outside",
    relay: "the relay",
    shoppers: "the shoppers",
};

export class FaultCard {
    /**
     * @param {Fault} fault
     * @param {Turn} turn
     */
    constructor(fault, turn) {
        this.name = fault.name;
        this.turn = turn;
        /** @type {Entry[]} */
        this.on = [];
        this.busy = false;
        this.happened = h("p", { class: "quiet small", role: "status", hidden: true });
        this.state = h("span", { class: "badge" });
        this.entries = h("ul", { class: "faults-on", hidden: true });
        this.handler = fault.handlers.length > 0 && choice("For whom", ["", ...fault.handlers], (name) => name || "every handler");
        this.seconds =
            !fault.happens_once &&
            choice("For how long", TIMES.map((one) => one.seconds), (one) => TIMES.find(({ seconds }) => seconds === one)?.words ?? one);
        if (this.seconds) {
            this.seconds.value = TIMES.find(({ seconds }) => Number(seconds) > fault.takes)?.seconds ?? "";
        }
        this.button = h("button", { type: "button", onclick: () => this.press() });
        this.element = this.drawn(fault);
    }

    /** @param {Fault} fault */
    drawn(fault) {
        const heading = `fault-${fault.name}`;
        return h(
            "article",
            { class: "card faults-card", "aria-labelledby": heading },
            h("div", { class: "faults-head" }, h("h2", { id: heading }, titleOf(fault.name)), this.state),
            h("p", {}, `${fault.does[0].toUpperCase()}${fault.does.slice(1)}.`),
            h("p", { class: "quiet small" }, `Disturbs ${WHOM[fault.concerns] ?? fault.concerns}.`, patience(fault)),
            this.entries,
            this.happened,
            h("div", { class: "faults-switch" }, this.handler, this.seconds, this.button),
            h(
                "div",
                { class: "faults-watch" },
                h("h3", { class: "small quiet" }, "What to watch"),
                places(fault),
                h("p", {}, h("code", { class: "small" }, breakable(fault.watch.metric))),
            ),
            h("p", { class: "quiet small faults-terminal" }, h("code", {}, `cartscope faults on ${fault.name}`)),
        );
    }

    get isOn() {
        return this.on.length > 0;
    }

    /**
     * Show how the fault stands.
     *
     * @param {Fault} fault
     * @param {number} now ms
     */
    show(fault, now) {
        this.on = fault.on;
        this.element.classList.toggle("faults-active", this.isOn);
        this.state.className = this.isOn ? "badge warn" : "badge";
        this.state.textContent = this.isOn ? "on" : "off";
        this.button.className = this.isOn ? "danger" : "primary";
        this.button.textContent = this.isOn ? "Switch off" : fault.happens_once ? "Let it happen" : "Switch on";
        this.button.setAttribute("aria-label", `${this.button.textContent}: ${titleOf(this.name)}`);
        for (const select of [this.handler, this.seconds]) {
            select && (select.hidden = this.isOn);
        }
        this.pass(now);
    }

    /**
     * Time passes.
     *
     * @param {number} now ms
     */
    pass(now) {
        this.entries.hidden = !this.isOn;
        fill(this.entries, told(this.on, now).map((text) => h("li", {}, text)));
    }

    async press() {
        if (this.busy) {
            return;
        }
        this.busy = true;
        this.button.setAttribute("aria-disabled", "true");
        await (this.isOn ? this.turn(this.name, "off", {}) : this.turn(this.name, "on", this.wish()));
        this.button.removeAttribute("aria-disabled");
        this.busy = false;
    }

    /** @param {number} now ms */
    happen(now) {
        this.happened.hidden = false;
        this.happened.textContent = `Asked for at ${time(now)}.`;
    }

    wish() {
        return {
            handler: (this.handler && this.handler.value) || null,
            seconds: this.seconds && this.seconds.value ? Number(this.seconds.value) : null,
        };
    }
}

/**
 * @param {string} label
 * @param {string[]} values
 * @param {(value: string) => string} words
 */
function choice(label, values, words) {
    return h("select", { "aria-label": label }, values.map((value) => h("option", { value }, words(value))));
}

/** @param {Fault} fault */
function patience({ takes }) {
    return takes > 0 && ` The last attempt comes ${duration(takes)} after the first.`;
}

/** @param {Fault} fault */
function places({ watch }) {
    return h(
        "ul",
        {},
        watch.places.map(({ title, address }) => h("li", {}, h("a", { href: address }, title))),
    );
}

/**
 * A metric's name, which may go on in another line between its words, not within one.
 *
 * @param {string} metric
 */
function breakable(metric) {
    return metric.split(/(?<=_)|(?=\{)/).flatMap((word) => [h("wbr"), word]);
}

/**
 * For whom it is on, and since when: in one line those for whom it was switched on together.
 *
 * @param {Entry[]} entries
 * @param {number} now ms
 */
function told(entries, now) {
    const groups = Map.groupBy(entries, (entry) => since(entry, now));
    return [...groups].map(([words, group]) => [...group.map(({ handler }) => handler), words].filter(Boolean).join(", "));
}

/**
 * @param {Entry} entry
 * @param {number} now ms
 */
function since({ since, until }, now) {
    const began = Date.parse(since);
    const lasted = duration(Math.max(0, Math.round((now - began) / 1_000)));
    const left = until === null ? "" : `, ${duration(Math.max(0, Math.round((Date.parse(until) - now) / 1_000)))} left`;
    return `since ${time(began)} (${lasted}${left})`;
}
