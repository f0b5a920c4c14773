/** One log line, which opens to all its fields. */
import { h } from "../dom.js";
import { dateTime, duration, preciseTime, shortId } from "../format.js";
import { ends } from "./ends.js";

/**
 * @typedef {import("../shapes.js").Line} Line
 * @typedef {import("../address.js").Address} Address
 * @typedef {(field: string, value: string, without: boolean) => void} Narrow
 */

/** Said by the row itself, or the same in most lines. */
const COMMON =
    /^(@timestamp|log\.|message$|ecs\.|service\.|event\.(dataset|action)$|process\.|trace\.|span\.|error\.stack)/;
/** Last parts of names that say nothing alone. */
const VAGUE = ["id", "type", "name", "message"];
const LONGEST_VALUE = 120;
/** ECS has it in ns. */
const DURATION = "event.duration";
const SIGNS = { debug: "·", info: "i", warning: "!", error: "✕", critical: "✕" };
/** @type {Record<string, string>} */
const TONES = { warning: "warn", error: "bad", critical: "bad" };
/** Fields that lead somewhere. */
/** @type {[RegExp, string][]} */
const LEADS = [
    [/(^|\.)trace[._]id$/, "traces"],
    [/(^|\.)event[._]id$/, "events"],
];

/**
 * @param {Line} line
 * @param {{address: Address, open: boolean, toggle: (line: Line) => void, narrow?: Narrow}} how
 * @returns {HTMLElement}
 */
export function lineRow(line, { address, open, toggle, narrow }) {
    const turn = () => toggle(line);
    const button = h(
        "button",
        {
            type: "button",
            class: "plain logs-turn",
            "aria-expanded": String(open),
            "aria-label": "All fields",
            onclick: turn,
        },
        open ? "▾" : "▸",
    );
    const head = h(
        "div",
        { class: "logs-head" },
        button,
        h("time", { class: "quiet", title: dateTime(line.time) }, preciseTime(line.time)),
        level(line.level),
        h("span", { class: "logs-service quiet", title: line.service }, ends(line.service)),
        h("span", { class: "logs-message" }, line.message, " ", h("span", { class: "quiet" }, summary(line))),
    );
    head.addEventListener("click", ({ target }) => {
        const plain = target instanceof Element && !target.closest("a, button") && !getSelection()?.toString();
        if (plain) {
            turn();
        }
    });
    const element = h(
        "div",
        { class: ["logs-line", open && "open"], role: "listitem" },
        head,
        open && fields(line, address, narrow),
    );
    element.dataset.level = line.level;
    return element;
}

/** @param {string} name */
export function toneOf(name) {
    return TONES[name] ?? "quiet";
}

/** @param {string} name */
function level(name) {
    const sign = SIGNS[/** @type {keyof typeof SIGNS} */ (name)] ?? "•";
    return h("span", { class: `logs-level ${toneOf(name)}` }, h("span", { "aria-hidden": "true" }, sign), ` ${name}`);
}

/**
 * What is particular to this line.
 *
 * @param {Line} line
 */
function summary({ fields }) {
    return Object.entries(fields)
        .filter(([name]) => !COMMON.test(name))
        .map(([name, value]) => `${shortName(name)}=${readable(name, value) ?? shortValue(text(value))}`)
        .join("  ");
}

/**
 * A time in the unit that a person would choose; null for anything else.
 *
 * @param {string} name
 * @param {unknown} value
 */
function readable(name, value) {
    return name === DURATION && typeof value === "number" ? duration(value / 1e9) : null;
}

/** @param {string} name */
function shortName(name) {
    const parts = name.split(".");
    return parts.slice(VAGUE.includes(parts[parts.length - 1]) ? -2 : -1).join(".");
}

/** @param {string} value */
function shortValue(value) {
    return /^[-\w]{24,}$/.test(value) ? shortId(value) : value.slice(0, LONGEST_VALUE);
}

/**
 * @param {Line} line
 * @param {Address} address
 * @param {Narrow} [narrow]
 */
function fields(line, address, narrow) {
    const rows = Object.entries(line.fields)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, value]) => [
            h("dt", { class: "mono" }, name),
            h(
                "dd",
                {},
                narrow && buttons(name, text(value), narrow),
                shown(name, text(value), address),
                h("span", { class: "quiet" }, ` ${readable(name, value) ?? ""}`),
            ),
        ]);
    return h("dl", { class: "logs-fields" }, rows.flat());
}

/**
 * @param {string} name
 * @param {string} value
 * @param {Narrow} narrow
 */
function buttons(name, value, narrow) {
    const button = (/** @type {string} */ sign, /** @type {string} */ title, /** @type {boolean} */ without) =>
        h(
            "button",
            {
                type: "button",
                class: "plain",
                title,
                "aria-label": `${title} ${name}`,
                onclick: () => narrow(name, value, without),
            },
            sign,
        );
    return h(
        "span",
        { class: "logs-narrow" },
        button("+", "Only lines with this", false),
        button("−", "Only lines without this", true),
    );
}

/**
 * @param {string} name
 * @param {string} value
 * @param {Address} address
 */
function shown(name, value, address) {
    const page = LEADS.find(([pattern]) => pattern.test(name))?.[1];
    if (page) {
        return h("a", { class: "mono", href: address.link(page, value) }, value);
    }
    return h(value.includes("\n") ? "pre" : "span", { class: "mono" }, value);
}

/** @param {unknown} value */
function text(value) {
    return typeof value === "string" ? value : JSON.stringify(value);
}
