//! AWS Secrets Manager and the meaning of its errors.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::http::HttpResponse;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use secrecy::SecretString;

const NO_REGION: &str =
    "can't be fetched: no AWS region is set; set AWS_REGION, or a region in the AWS profile";
const NO_CREDENTIALS: &str =
    "can't be fetched: there are no AWS credentials; sign in, or set AWS_PROFILE or AWS_ACCESS_KEY_ID";
const NO_ANSWER: &str = "can't be fetched: Secrets Manager does not respond; check the network route to it (in a VPC, \
                         a NAT gateway or an endpoint for Secrets Manager)";

const NOT_IT: &str = "can't be fetched: the endpoint is not Secrets Manager; check AWS_ENDPOINT_URL";
const NO_KEY: &str = "can't be decrypted: grant the caller kms:Decrypt on the key of the secret";

/// A client with region and credentials of the environment.
pub(super) async fn client() -> Client {
    Client::new(&crate::aws::config().await)
}

/// The current value of a secret, or the problem and its remedy.
pub(super) async fn fetch(client: &Client, id: &str) -> Result<SecretString, String> {
    // Without a region the SDK fails with an unclear error.
    if client.config().region().is_none() {
        return Err(NO_REGION.to_owned());
    }
    let answer = client.get_secret_value().secret_id(id).send().await;
    let answer = answer.map_err(|error| problem(&error))?;
    let text = answer.secret_string.map(SecretString::from);
    text.ok_or_else(|| "is binary; store JSON text in it instead".to_owned())
}

/// The meaning of an error. The message of the service is not passed on, because it names the caller's account.
fn problem<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> String {
    match error {
        SdkError::ServiceError(service) => match service.err().code() {
            Some(code) => by_code(code, service.err().message().unwrap_or_default()),
            // A gateway in between sends no code.
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
        // A key that the caller may not use is an AccessDeniedException too.
        "AccessDeniedException" if message.contains("Access to KMS") => NO_KEY,
        "DecryptionFailure" => NO_KEY,
        "AccessDeniedException" => "can't be read: grant the caller secretsmanager:GetSecretValue on it",
        "InvalidRequestException" => {
            "can't be read in its present state; if it is marked for deletion, restore it or name another one"
        }
        "InvalidParameterException" | "ValidationException" => {
            "can't be fetched: its name is invalid; correct it in the configuration"
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
                "can't be fetched: AWS refused the credentials ({code}); sign in again, or renew them"
            );
        }
        "ThrottlingException" | "RequestLimitExceeded" | "TooManyRequestsException" => {
            "can't be fetched now: Secrets Manager throttles requests; try again later"
        }
        "InternalServiceError" | "InternalFailure" | "ServiceUnavailable" | "ServiceUnavailableException" => {
            return format!(
                "can't be fetched now: Secrets Manager has an internal error ({code}); try again later"
            );
        }
        _ => return format!("can't be fetched: Secrets Manager refused the request ({code})"),
    };
    problem.to_owned()
}
