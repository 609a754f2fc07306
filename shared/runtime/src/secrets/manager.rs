//! AWS Secrets Manager, and what its refusals mean.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::http::HttpResponse;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use secrecy::SecretString;

const NO_REGION: &str =
    "can't be fetched: no AWS region is set; set AWS_REGION, or a region in the AWS profile";
const NO_CREDENTIALS: &str =
    "can't be fetched: there are no AWS credentials; sign in, or set AWS_PROFILE or AWS_ACCESS_KEY_ID";
const NO_ANSWER: &str = "can't be fetched: Secrets Manager does not answer; check the network's way to it (in a VPC, a NAT \
                         gateway or an endpoint for Secrets Manager)";

const NOT_IT: &str = "can't be fetched: what answers is not Secrets Manager; check AWS_ENDPOINT_URL";
const NO_KEY: &str =
    "can't be decrypted: give the caller the right kms:Decrypt on the key that it is encrypted with";

/// A client by way of the surroundings' region and credentials.
pub(super) async fn client() -> Client {
    Client::new(&crate::aws::config().await)
}

/// The current value of a secret, or what is wrong with it and what to do.
pub(super) async fn fetch(client: &Client, id: &str) -> Result<SecretString, String> {
    // Without a region the request fails before it is sent, and doesn't say so plainly.
    if client.config().region().is_none() {
        return Err(NO_REGION.to_owned());
    }
    let answer = client.get_secret_value().secret_id(id).send().await;
    let answer = answer.map_err(|error| problem(&error))?;
    let text = answer.secret_string.map(SecretString::from);
    text.ok_or_else(|| "is binary; store JSON text in it instead".to_owned())
}

/// What an error means. The service's words are only looked at, never passed on: they name the caller's account.
fn problem<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> String {
    match error {
        SdkError::ServiceError(service) => match service.err().code() {
            Some(code) => by_code(code, service.err().message().unwrap_or_default()),
            // Something in between, a gateway say, answers without a code.
            None if service.raw().status().as_u16() >= 500 => NO_ANSWER.to_owned(),
            None => NOT_IT.to_owned(),
        },
        SdkError::TimeoutError(_) => NO_ANSWER.to_owned(),
        SdkError::DispatchFailure(failure) if failure.is_timeout() || failure.is_io() => NO_ANSWER.to_owned(),
        SdkError::DispatchFailure(_) => NO_CREDENTIALS.to_owned(),
        SdkError::ResponseError(_) => NOT_IT.to_owned(),
        _ => "can't be fetched: no request could be made; check the AWS settings".to_owned(),
    }
}

fn by_code(code: &str, message: &str) -> String {
    let problem = match code {
        "ResourceNotFoundException" if message.contains("staging label") => "holds no value yet; store one",
        "ResourceNotFoundException" => {
            "does not exist in this account and region; create it, or correct its name in the configuration"
        }
        // A key that the caller may not use is reported as a denied access too.
        "AccessDeniedException" if message.contains("Access to KMS") => NO_KEY,
        "DecryptionFailure" => NO_KEY,
        "AccessDeniedException" => {
            "may not be read: give the caller the right secretsmanager:GetSecretValue on it"
        }
        "InvalidRequestException" => {
            "can't be read in the state it is in; if it is marked for deletion, restore it or name another one"
        }
        "InvalidParameterException" | "ValidationException" => {
            "can't be fetched: this is no name that a secret can have; correct it in the configuration"
        }
        "ExpiredToken"
        | "ExpiredTokenException"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException" => {
            return format!(
                "can't be fetched: AWS does not accept the credentials ({code}); sign in again, or renew them"
            );
        }
        "ThrottlingException" | "RequestLimitExceeded" | "TooManyRequestsException" => {
            "can't be fetched now: Secrets Manager asks for fewer calls; try again later"
        }
        "InternalServiceError" | "InternalFailure" | "ServiceUnavailable" | "ServiceUnavailableException" => {
            return format!("can't be fetched now: Secrets Manager failed inside ({code}); try again later");
        }
        _ => return format!("can't be fetched: Secrets Manager refuses it ({code})"),
    };
    problem.to_owned()
}
