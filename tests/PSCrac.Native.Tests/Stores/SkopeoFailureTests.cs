using PSCrac.Stores;
using Xunit;

namespace PSCrac.Tests.Stores;

/// <summary>The reasons of skopeo's messages, as 1.9.3 wrote them.</summary>
public sealed class SkopeoFailureTests
{
    // What a name, a port, a digest or an address says is no reason.
    [Theory]
    [InlineData(@"writing blob: Patch \""http://127.0.0.1:40577/v2/cut-push/blobs/uploads/4f405?_state=d502\"": EOF", CracReason.RegistryUnavailable)]
    [InlineData(@"writing blob: Patch \""http://127.0.0.1:38941/v2/denied/blobs/uploads/1\"": write tcp 127.0.0.1:44050->127.0.0.1:40503: write: broken pipe", CracReason.RegistryUnavailable)]
    [InlineData(@"pinging container registry 127.0.0.1:40577: Get \""https://127.0.0.1:40577/v2/\"": dial tcp 127.0.0.1:40577: connect: connection refused", CracReason.RegistryUnavailable)]
    [InlineData(@"reading manifest v1 in 127.0.0.1:50305/unauthorized/app: received unexpected HTTP status: 503 Service Unavailable", CracReason.RegistryUnavailable)]
    [InlineData(@"trying to reuse blob sha256:4050250350445a at destination: StatusCode: 502", CracReason.RegistryUnavailable)]
    [InlineData(@"reading manifest v502 in 127.0.0.1:50405/app: manifest unknown: manifest unknown", CracReason.NotAnImage)]
    [InlineData(@"Failed to delete /v2/app/manifests/sha256:502: {\""errors\"":[{\""code\"":\""UNSUPPORTED\"",\""message\"":\""The operation is unsupported.\""}]} (405 Method Not Allowed)", CracReason.ResourceUnsupported)]
    [InlineData(@"reading manifest v1 in 127.0.0.1:4053/app: unauthorized: authentication required", CracReason.PermissionDenied)]
    [InlineData(@"something else about 127.0.0.1:4050/credentials/app and 405 bytes", CracReason.Unknown)]
    public void The_reason_is_in_the_words_and_not_in_the_names(string message, CracReason reason)
    {
        CracException told = SkopeoFailure.Explain(StoreName.Parse("oci://127.0.0.1:40577/app:v1"), $"time=\"2026-01-01T00:00:00Z\" level=fatal msg=\"{message}\"\n", 1);
        Assert.Equal(reason, told.Reason);
        Assert.EndsWith(".", told.RecommendedAction, StringComparison.Ordinal);
    }
}
