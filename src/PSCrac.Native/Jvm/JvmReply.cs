namespace PSCrac.Jvm;

/// <summary>A JVM's answer to a command.</summary>
/// <param name="Status">0 for a command that was executed; other values depend on the command.</param>
/// <param name="Text">The command's output.</param>
internal sealed record JvmReply(int Status, string Text)
{
    /// <summary>Whether the command was executed.</summary>
    internal bool IsSuccess => Status == 0;
}
