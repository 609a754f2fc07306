export { WorkplaceProvisioner } from "./provisioner.ts";
export type {
  AlarmProps,
  FunctionProps,
  SchedulesProps,
  SecretsProps,
  WorkplaceProvisionerProps,
} from "./props.ts";
export { Mistake } from "./mistake.ts";
