namespace PSCrac.Criu;

/// <summary>The type of a request: CriuReqType of criu's rpc.proto.</summary>
internal enum CriuRequest
{
    Dump = 1,
    Restore = 2,
    Check = 3,
    FeatureCheck = 9,
}
