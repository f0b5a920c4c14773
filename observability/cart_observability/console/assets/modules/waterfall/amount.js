/** How many spans a trace has, and how many of them are shown. */
import { count, plural } from "../format.js";

/** @param {import("../shapes.js").Trace} trace */
export function amount({ spans, left_out: rest }) {
    return rest > 0 ? `${count(spans.length)} of ${plural(spans.length + rest, "span")}` : plural(spans.length, "span");
}
