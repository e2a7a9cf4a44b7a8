namespace PSCrac.Criu;

/// <summary>What a worker is asked to do: CriuReqType of criu's rpc.proto.</summary>
internal enum CriuRequest
{
    Dump = 1,
    Restore = 2,
    Check = 3,
    FeatureCheck = 9,
}
