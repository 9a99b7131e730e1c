/** Why an execution does not go on, in one sentence, and what to do about it. */

import { clock, counted, duration, milliseconds, number, relative, text } from "../format.js";

/** Return `{title, sentence, advice}` of what /wait says, with the workers of the newest snapshot. */
export function reason(execution, snapshot, now) {
  const told = execution.done ? ENDS[execution.status] : PHASES[execution.phase];
  return (told ?? unknown)(execution, snapshot, now);
}

function unknown(execution) {
  return { title: text(execution.phase ?? execution.status), sentence: "Nobody knows more.", advice: "" };
}

function failure(error) {
  return `${short(error?.type ?? "an error")}${error?.message ? `: “${short(error.message)}”` : ""}`;
}

function short(message) {
  const whole = text(message);
  return whole.length > 300 ? `${whole.slice(0, 300).toWellFormed()}…` : whole;
}

function took(execution) {
  const since = milliseconds(execution.starts_at ?? execution.created_at);
  return duration(milliseconds(execution.completed_at) - since);
}

const ENDS = {
  resolved: (execution) => ({
    title: "Done",
    sentence: `It returned its result after ${took(execution)}.`,
    advice: "",
  }),
  rejected: (execution) => ({
    title: "Failed",
    sentence: `${execution.error?.step ? `The step ${short(execution.error.step)} failed with ` : "It failed with "}${failure(execution.error)}.`,
    advice: "It has ended and is not tried again. Correct the cause, and begin it with another id.",
  }),
  canceled: (execution, _, now) => ({
    title: "Canceled",
    sentence: `A client canceled it ${relative(milliseconds(execution.completed_at), now)}${
      execution.error?.reason ? `, with the reason “${short(execution.error.reason)}”` : ", without a reason"
    }.`,
    advice: "It has ended; what its finished steps did stays done. Begin it with another id if it is needed after all.",
  }),
  timedout: (execution) => ({
    title: "Timed out",
    sentence: `It did not end within its time, which was over at ${clock(milliseconds(execution.timeout_at))}.`,
    advice: "It has ended. Begin it with another id, and with a longer timeout.",
  }),
};

const PHASES = {
  scheduled: (execution, _, now) => ({
    title: "Scheduled",
    sentence: `It starts ${relative(milliseconds(execution.starts_at), now)}, at ${clock(milliseconds(execution.starts_at), now)}.`,
    advice: "Nothing.",
  }),
  queued,
  running: (execution) => ({
    title: "Running",
    sentence: `${runs(execution)} on ${short(execution.worker ?? "a worker")}${
      execution.recovered_from ? `, which took it over from ${short(execution.recovered_from)}` : ""
    }.`,
    advice: "Nothing.",
  }),
  retrying: (execution, _, now) => ({
    title: "Retrying a step that fails",
    sentence: `The step ${short(execution.last_error?.step ?? execution.progress?.step ?? "")} has failed ${
      execution.tries > 1 ? `${counted(execution.tries, "time")}, last` : "once,"
    } with ${failure(execution.last_error)}. ${nextTry(execution, now)}`,
    advice: "Repair what the step calls: it is tried again by itself, and the execution goes on. Or cancel the execution.",
  }),
  waiting,
  recovering,
  blocked: ({ blocked, function: name, version }) => ({
    title: "Blocked: the code has changed",
    sentence: `Its history has “${short(blocked?.expected)}” where the code of ${short(blocked?.worker || "the worker")} now has “${short(blocked?.found)}”, so it cannot go on with this code.`,
    advice: `Deploy the code with which it began as ${short(name)}${version ? ` version ${version}` : ""} again: then it goes on by itself, and nothing is repeated or lost. Give the changed code a new version. Or cancel it.`,
  }),
};

function runs(execution) {
  const step = execution.progress?.step ?? execution.steps?.findLast((each) => !each.ended)?.name;
  return step ? `The step ${short(step)} runs` : "It runs";
}

function nextTry(execution, now) {
  const next = milliseconds(execution.next_try_at);
  return next > now ? `The next try is ${relative(next, now)}.` : "It is being tried again.";
}

function queued(execution, snapshot) {
  const title = "Queued";
  const { wanted, isKnown, missing, full } = takers(execution, snapshot);
  if (!isKnown) {
    const told = execution.queued_because;
    return { title, sentence: told ? `It waits: ${short(told)}.` : "It waits for a worker.", advice: `See that workers with ${wanted} run and have room.` };
  }
  if (missing) return { title, sentence: missing, advice: `Start a worker that has ${wanted}; then it begins by itself.` };
  return full
    ? { title, sentence: full, advice: "It begins when a slot is free. Start more workers to have it begin sooner." }
    : { title, sentence: `It is offered to a worker with ${wanted}.`, advice: "Nothing." };
}

function recovering(execution, snapshot) {
  const title = "Recovering: its worker was lost";
  const lost = `Its worker ${short(execution.worker ?? "")} was lost`;
  const { wanted, isKnown, missing, full } = takers(execution, snapshot);
  const goesOn = "it goes on after its last stored step";
  if (!isKnown) return { title, sentence: `${lost}, and no other has taken it over yet.`, advice: `If no worker with ${wanted} runs, start one; then ${goesOn}.` };
  if (missing) return { title, sentence: `${lost}. ${missing}`, advice: `Start a worker that has ${wanted}; then ${goesOn}.` };
  return full
    ? { title, sentence: `${lost}. ${full}`, advice: "It goes on after its last stored step when a slot is free. Start more workers to have it go on sooner." }
    : { title, sentence: `${lost}. Another worker takes it over and goes on after its last stored step.`, advice: "Nothing." };
}

/** Versions of a function that a snapshot has of a worker: the newest ones. */
const TOLD_VERSIONS = 20;

/**
 * Who could take an execution, and in words why nobody can: `missing` where no worker serves it,
 * `full` where none has a slot. Without `isKnown` nobody tells of workers, or one that could take it
 * may be among those that are left out.
 */
function takers(execution, snapshot) {
  const wanted = `${short(execution.function)}${execution.version ? ` version ${execution.version}` : ""}`;
  const alive = (snapshot?.workers ?? []).filter((worker) => worker.state === "alive");
  const fits = alive.filter((worker) => serves(worker, execution));
  const slots = fits.reduce((sum, worker) => sum + worker.slots, 0);
  const isFree = fits.some((worker) => worker.busy < worker.slots);
  const others = snapshot?.workers_left_out > 0 || alive.some((worker) => mayServe(worker, execution));
  return {
    wanted,
    isKnown: Boolean(snapshot) && snapshot.presence !== "off" && (isFree || !others),
    missing: fits.length ? null : alive.length ? `No worker serves ${wanted}.` : "No worker is connected to this gateway.",
    full: !isFree
      ? `${slots === 1 ? "The only slot" : `All ${number(slots)} slots`} of the ${fits.length === 1 ? "only worker" : `${number(fits.length)} workers`} with ${wanted} ${slots === 1 ? "is" : "are"} busy.`
      : null,
  };
}

function versions(worker, name) {
  return Object.hasOwn(worker.functions ?? {}, name) ? worker.functions[name] : [];
}

function serves(worker, { function: name, version }) {
  return version ? versions(worker, name).includes(version) : versions(worker, name).length > 0;
}

/** Whether a worker does not serve an execution by what the snapshot has, which is not all. */
function mayServe(worker, execution) {
  const told = versions(worker, execution.function).length;
  return !serves(worker, execution) && (told ? told >= TOLD_VERSIONS : worker.functions_left_out > 0);
}

/** What an execution waits for: each with its `kind`, "signal", "sleep" or "child". */
export function waits(execution) {
  const children = new Set(
    (execution.steps ?? []).filter((step) => step.worker === null && !step.ended).map((step) => step.name),
  );
  return (execution.waiting_for ?? []).map(({ name, since }) => ({
    name,
    since: milliseconds(since),
    kind: children.has(name) ? "child" : name === "sleep" ? "sleep" : "signal",
  }));
}

function waiting(execution, _, now) {
  const all = waits(execution);
  const signals = all.filter((wait) => wait.kind === "signal");
  if (signals.length) {
    const [{ name, since }] = signals;
    return {
      title: "Waiting for a signal",
      sentence: `It has waited for the signal ${short(name)} ${span(since, now)}.`,
      advice: "Send the signal below, and it goes on. No worker is held meanwhile.",
    };
  }
  if (all.some((wait) => wait.kind === "child")) {
    const { name, since } = all.find((wait) => wait.kind === "child");
    return {
      title: "Waiting for a child",
      sentence: `It has waited for ${all.length > 1 ? `${counted(all.length, "child", "children")} such as ` : "its child "}${short(name)} ${span(since, now)}.`,
      advice: "It goes on when they have ended: see what each of them does.",
    };
  }
  return {
    title: "Sleeping",
    sentence: all.length ? `It has slept ${span(all[0].since, now)}.` : "It sleeps.",
    advice: "It goes on by itself when its time has come.",
  };
}

function span(since, now) {
  return `for ${duration(now - since)}, since ${clock(since, now)}`;
}
