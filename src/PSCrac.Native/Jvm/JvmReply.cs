namespace PSCrac.Jvm;

/// <summary>A JVM's answer to a command.</summary>
/// <param name="Status">0 for a command that was carried out; what else it may be is the command's own.</param>
/// <param name="Text">What the command had to say.</param>
internal sealed record JvmReply(int Status, string Text)
{
    /// <summary>Whether the command was carried out.</summary>
    internal bool IsSuccess => Status == 0;
}
