/** Capacity in sentences. */
import { count, duration, number, plural, rate, share } from "../format.js";
import { TARGET } from "./assessment.js";

/** @typedef {import("./assessment.js").Capacity} Capacity */
/** @typedef {import("./assessment.js").Figure} Figure */

/**
 * @param {Capacity} capacity
 * @returns {string}
 */
export function words(capacity) {
    const { utilisation, busy_slots: slots, processing_seconds: cost, arrival_rate: arriving } = capacity;
    if (typeof cost !== "number") {
        return "Nothing came to it in this time, so there is nothing to compute from.";
    }
    if (typeof utilisation !== "number") {
        return `${rate(arriving)} of ${duration(cost)} each keep ${number(slots)} of its slots busy on average.`;
    }
    return [busy(utilisation), room(capacity), waiting(capacity)].filter(Boolean).join(" ");
}

/**
 * How it stands: the name of a colour.
 *
 * @param {Figure} utilisation
 */
export function standing(utilisation) {
    if (typeof utilisation !== "number") {
        return utilisation === "Infinity" ? "bad" : "quiet";
    }
    return utilisation >= 1 ? "bad" : utilisation > TARGET ? "warn" : "good";
}

/** @param {number} utilisation */
function busy(utilisation) {
    return utilisation >= 1
        ? "More comes than its slots can finish."
        : `A slot is busy ${share(utilisation)} of the time.`;
}

/** @param {Capacity} capacity */
function room({ headroom, slots, slots_needed: needed }) {
    if (typeof headroom !== "number") {
        return "";
    }
    if (headroom >= 0) {
        return `${rate(headroom)} more would bring it to ${share(TARGET)}.`;
    }
    return `To stay at ${share(TARGET)} it needs ${plural(Number(needed), "slot")}; it has ${count(slots)}.`;
}

/** @param {Capacity} capacity */
function waiting({ utilisation, backlog, drain_seconds: drain, backlog_in_an_hour: later }) {
    if (typeof backlog !== "number") {
        return Number(utilisation) > TARGET ? "Nobody tells what waits for it: more may come than it takes." : "";
    }
    if (backlog < 0.5) {
        return "";
    }
    const waits = `${plural(Math.round(backlog), "event waits", "events wait")}`;
    return drain === "Infinity"
        ? `${waits}, and in an hour it would be ${number(later)}.`
        : `${waits}, gone in ${duration(drain)}.`;
}
