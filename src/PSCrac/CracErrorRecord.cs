using System.Management.Automation;
using System.Text;

namespace PSCrac;

/// <summary>The error record for a <see cref="CracException"/>.</summary>
internal static class CracErrorRecord
{
    internal static ErrorRecord Create(CracException exception, object? target)
    {
        object? about = target ?? (object?)exception.ImagePath ?? exception.ProcessId;
        return new ErrorRecord(exception, exception.Reason.ToString(), Category(exception.Reason), about)
        {
            ErrorDetails = new ErrorDetails(Describe(exception)) { RecommendedAction = exception.Advice ?? string.Empty },
        };
    }

    // PowerShell's error view shows the recommended action by itself, but none of the exception's other properties.
    private static string Describe(CracException exception)
    {
        var text = new StringBuilder(exception.Message);
        if (exception.Reason == CracReason.Unknown)
        {
            foreach (string line in exception.CriuLines.Skip(1).Take(3))
            {
                text.Append("\ncriu: ").Append(line);
            }
        }

        foreach (string line in exception.OutputLines)
        {
            text.Append("\n  program: ").Append(line);
        }

        if (exception.LogPath is { } log && exception.Advice?.Contains(log, StringComparison.Ordinal) != true)
        {
            text.Append("\ncriu's log: ").Append(log);
        }

        return text.ToString();
    }

    private static ErrorCategory Category(CracReason reason) => reason switch
    {
        CracReason.CriuNotFound or CracReason.LibCriuNotFound or CracReason.CriuTooOld => ErrorCategory.NotInstalled,
        CracReason.OptionRefused => ErrorCategory.InvalidArgument,
        CracReason.ProcessNotFound or CracReason.ProcessGone or CracReason.FileMissing => ErrorCategory.ObjectNotFound,
        CracReason.NotAnImage => ErrorCategory.ObjectNotFound,
        CracReason.PidInUse or CracReason.AddressUnavailable or CracReason.ImageInUse => ErrorCategory.ResourceBusy,
        CracReason.ImageExists => ErrorCategory.ResourceExists,
        CracReason.PermissionDenied => ErrorCategory.PermissionDenied,
        CracReason.ImageNotTrusted => ErrorCategory.SecurityError,
        CracReason.ImageIncomplete or CracReason.ImageCorrupt or CracReason.ImageConsumed or CracReason.FileChanged => ErrorCategory.InvalidData,
        CracReason.FreezeTimeout or CracReason.TimedOut => ErrorCategory.OperationTimeout,
        CracReason.ProgramNotStarted => ErrorCategory.OpenError,
        CracReason.ProgramEnded => ErrorCategory.InvalidResult,
        CracReason.NoSpace or CracReason.SealFailed => ErrorCategory.WriteError,
        CracReason.ResourceUnsupported or CracReason.NamespaceUnsupported or CracReason.KernelFeatureMissing or CracReason.CpuIncompatible => ErrorCategory.NotImplemented,
        CracReason.ProcessNotEligible or CracReason.TcpConnectionOpen or CracReason.TerminalAttached or CracReason.FileLocksHeld
            or CracReason.FileUnlinked or CracReason.UnixSocketExternal or CracReason.ProcessTraced => ErrorCategory.InvalidOperation,
        _ => ErrorCategory.NotSpecified,
    };
}
