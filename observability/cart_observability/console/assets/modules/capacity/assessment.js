/**
 * What the API says of the handlers' capacity, as measured and as supposed.
 *
 * @typedef {import("../format.js").Figure} Figure
 * @typedef {{arrival_rate: Figure, processing_seconds: Figure, slots: number | null, backlog: Figure,
 *     busy_slots: Figure, utilisation: Figure, service_rate: Figure, headroom: Figure, slots_needed: Figure, waiting_seconds: Figure,
 *     drain_seconds: Figure, backlog_in_an_hour: Figure, events_measured: Figure, events_computed: Figure}} Capacity
 * @typedef {{load: number, seconds: number, time: number}} CurvePoint
 * @typedef {{arrival_rate: number | null, handlers: Record<string, Capacity>,
 *     curves: Record<string, CurvePoint[]>}} Assessment
 * @typedef {{rate: number | null, slots: Record<string, number>}} Supposition What is not supposed is as measured.
 */
import { Problem, get } from "../api.js";

/** The utilisation to plan for, as the server plans: beyond it, waiting grows steeply. */
export const TARGET = 0.8;

/**
 * @param {number} windowSeconds Measured over so long.
 * @param {Supposition} supposition
 * @param {AbortSignal} signal
 * @returns {Promise<{measured: Assessment, supposed: Assessment | null, refusal: string}>} `supposed` is null where
 *     nothing is, or where it cannot be told: `refusal` says why.
 */
export async function ask(windowSeconds, { rate, slots }, signal) {
    const pairs = Object.entries(slots).map(([name, number]) => `${name}:${number}`);
    const some = rate !== null || pairs.length > 0;
    const question = { window_s: windowSeconds, arrival_rate: rate, slots: pairs };
    const [measured, supposed] = await Promise.all([
        get("/api/capacity", { window_s: windowSeconds }, signal),
        some ? get("/api/capacity", question, signal).catch(refused) : null,
    ]);
    return supposed instanceof Problem
        ? { measured, supposed: null, refusal: supposed.message }
        : { measured, supposed, refusal: "" };
}

/** @param {unknown} error */
function refused(error) {
    if (error instanceof Problem && !error.lost) {
        return error;
    }
    throw error;
}
