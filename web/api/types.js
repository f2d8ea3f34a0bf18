// The API's answers as types, for the type checker alone: nothing here runs. `make lint` makes build/openapi.d.ts from
// the API's OpenAPI document; what that document leaves open (a plan and a result are objects there) is described here.

/** @import { components } from "../../build/openapi" */

/** @typedef {components["schemas"]["JobView"]} JobView */
/** @typedef {components["schemas"]["JobSpec"]} JobSpec */
/** @typedef {components["schemas"]["TeacherSpec"]} TeacherSpec */
/** @typedef {components["schemas"]["StudentSpec"]} StudentSpec */
/** @typedef {components["schemas"]["DatasetSpec"]} DatasetSpec */
/** @typedef {components["schemas"]["TrainingSpec"]} TrainingSpec */
/** @typedef {components["schemas"]["StudentView"]} NetworkSize */
/** @typedef {components["schemas"]["WarningView"]} JobWarning */
/** @typedef {components["schemas"]["AttemptView"]} Attempt */
/** @typedef {components["schemas"]["MethodView"]} Method */
/** @typedef {components["schemas"]["ArtifactView"]} Artifact */
/** @typedef {components["schemas"]["SeriesView"]} Series */
/** @typedef {components["schemas"]["ProblemView"]} Problem */
/** @typedef {components["schemas"]["ReadinessView"]} Readiness */
/** @typedef {components["schemas"]["DatasetView"]} UploadedDataset */
/** @typedef {components["schemas"]["SessionView"]} Session */
/** @typedef {components["schemas"]["SignInView"]} SignIn */
/** @typedef {components["schemas"]["KeyView"]} Key */
/** @typedef {components["schemas"]["KeyPage"]} KeyPage */
/** @typedef {components["schemas"]["KeyWithSecretView"]} KeyWithSecret */
/** @typedef {components["schemas"]["WebhookView"]} Webhook */
/** @typedef {components["schemas"]["WebhookList"]} WebhookList */
/** @typedef {components["schemas"]["WebhookWithSecret"]} WebhookWithSecret */
/** @typedef {components["schemas"]["DeliveryView"]} Delivery */
/** @typedef {components["schemas"]["DeliveryPage"]} DeliveryPage */

/**
 * One method of a job with the knobs that the job sets.
 * @typedef {{ name: string, [knob: string]: unknown }} MethodTerm
 */

/**
 * `method` as a job may write it: a name, an object, a list of either, or the combination that the service makes of it.
 * @typedef {string | MethodTerm | (string | MethodTerm)[] | { name: "combined", terms: MethodTerm[] }} MethodChoice
 */

/**
 * The specification of a stored job: strings have become objects.
 * @typedef {object} StoredSpec
 * @property {TeacherSpec | null} teacher
 * @property {TeacherSpec[]} more_teachers
 * @property {DatasetSpec} dataset
 * @property {StudentSpec} student
 * @property {MethodChoice} method
 * @property {TrainingSpec} training
 */

/**
 * What a network reached on one split; fractions.
 * @typedef {object} Accuracy
 * @property {number} top1
 * @property {[number, number]} [top1_interval] 95% Wilson interval
 * @property {number} [num_images]
 */

/**
 * A network and what was measured of it.
 * @typedef {object} MeasuredNetwork
 * @property {string} architecture
 * @property {number} num_params
 * @property {number} macs multiply-accumulates of one image
 * @property {number} bytes float32 parameters and buffers
 * @property {Accuracy} [test]
 * @property {Accuracy} [validation]
 * @property {Accuracy} [target] on the images of the second domain
 * @property {{ p50_ms: number, speedup?: { ratio: number } | null } | null} [latency] one image, one thread; how many
 *   times as fast as the teacher
 */

/**
 * @typedef {object} JobResult
 * @property {MeasuredNetwork} metrics of the student
 * @property {MeasuredNetwork | null} [teacher]
 * @property {Record<string, MeasuredNetwork>} [baselines]
 */

/**
 * @typedef {object} DatasetFacts
 * @property {string[]} classes
 * @property {number} num_train
 * @property {number} num_validation
 * @property {number} num_test
 * @property {number} num_unreadable
 * @property {Record<string, number>} [passed_over] reason -> files that are not used
 * @property {{ path: string, image_column: string, label_column: string, num_rows: number }[]} [tables]
 * @property {number | null} [smallest_difference] of two networks that the test split can tell apart; fraction
 */

/**
 * What a job was found to be before training.
 * @typedef {object} JobPlan
 * @property {DatasetFacts} dataset
 * @property {NetworkSize} student
 * @property {NetworkSize | null} [teacher]
 * @property {number | null} [teacher_validation_top1]
 * @property {{ steps: number, training_seconds?: number, memory_bytes?: number, reason?: string }} estimate
 */

/** @typedef {JobPlan & { spec: StoredSpec, warnings: JobWarning[] }} PlanAnswer */

/**
 * @typedef {Omit<JobView, "spec" | "plan" | "result"> & {
 *   spec: StoredSpec, plan?: JobPlan | null, result?: JobResult | null,
 * }} Job
 */

/** @typedef {{ data: Job[], has_more: boolean, next_cursor?: string | null }} JobPage */

/**
 * One entry of a job's event stream; `data` depends on `kind`.
 * @typedef {object} JobEvent
 * @property {number} seq
 * @property {number} attempt
 * @property {string} kind
 * @property {{ state?: string, phase?: string, level?: string, message?: string }} data
 * @property {string} at
 */

export {};
