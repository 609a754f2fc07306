export { WorkplaceProvisioner } from "./provisioner.ts";
export type {
  AlarmProps,
  FunctionProps,
  NetworkProps,
  SchedulesProps,
  SecretsProps,
  WorkplaceProvisionerProps,
} from "./props.ts";
export { Mistake } from "./mistake.ts";
