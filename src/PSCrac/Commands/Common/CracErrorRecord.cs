using System.Management.Automation;
using System.Text;
using System.Text.RegularExpressions;
using PSCrac.Formatting;

namespace PSCrac;

/// <summary>The error record for a <see cref="CracException"/>.</summary>
internal static class CracErrorRecord
{
    // The HResult of an IOException on Unix is the errno.
    private const int Enospc = 28;

    internal static ErrorRecord Create(CracException exception, object? target)
    {
        object? about = target ?? (object?)exception.ImagePath ?? exception.ProcessId;
        return new ErrorRecord(exception, exception.Reason.ToString(), Category(exception.Reason), about)
        {
            ErrorDetails = new ErrorDetails(TerminalText.Escape(Describe(exception), keepsLines: true))
            {
                RecommendedAction = TerminalText.Escape(Recommend(exception), keepsLines: true),
            },
        };
    }

    /// <summary>
    /// The <see cref="CracException"/> for a failure of the system or of a conversion that was not caught closer to its cause;
    /// null for an exception that is not the engine's, such as a script's.
    /// </summary>
    internal static CracException? Translate(Exception exception) => exception switch
    {
        CracException own => own,
        UnauthorizedAccessException => From(exception, CracReason.PermissionDenied, "Run this as the owner of what the message names, or as root."),
        FileNotFoundException or DirectoryNotFoundException => From(exception, CracReason.FileMissing, "Give the path of something that is there."),
        RegexMatchTimeoutException => From(exception, CracReason.TimedOut, "Give a simpler expression."),
        IOException => From(
            exception, exception.HResult == Enospc ? CracReason.NoSpace : CracReason.Unknown, "See to the file or folder that the message names, and do it again."),
        ArgumentException or FormatException or OverflowException or InvalidCastException => From(
            exception, CracReason.OptionRefused, "Get-Help with -Parameter * tells what each parameter of a cmdlet takes."),
        _ => null,
    };

    private static CracException From(Exception exception, CracReason reason, string recommendedAction) => new(reason, exception.Message, recommendedAction, exception);

    private static string Recommend(CracException exception) =>
        string.IsNullOrEmpty(exception.RecommendedAction) ? $"Get-Help about_PSCrac_Errors tells what {exception.Reason} means." : exception.RecommendedAction;

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

        if (exception.LogPath is { } log && exception.RecommendedAction?.Contains(log, StringComparison.Ordinal) != true)
        {
            text.Append("\ncriu's log: ").Append(log);
        }

        return text.ToString();
    }

    private static ErrorCategory Category(CracReason reason) => reason switch
    {
        CracReason.CriuNotFound or CracReason.LibCriuNotFound or CracReason.CriuTooOld or CracReason.CriuFeatureMissing or CracReason.ProgramMissing or CracReason.HostNotReady => ErrorCategory.NotInstalled,
        CracReason.OptionRefused => ErrorCategory.InvalidArgument,
        CracReason.ProcessNotFound or CracReason.ProcessGone or CracReason.FileMissing => ErrorCategory.ObjectNotFound,
        CracReason.NotAnImage or CracReason.MemoryNotInImage or CracReason.ServiceNotFound => ErrorCategory.ObjectNotFound,
        CracReason.PidInUse or CracReason.AddressUnavailable or CracReason.ImageInUse or CracReason.ServiceRunning => ErrorCategory.ResourceBusy,
        CracReason.ImageExists or CracReason.ServiceExists => ErrorCategory.ResourceExists,
        CracReason.PermissionDenied => ErrorCategory.PermissionDenied,
        CracReason.ImageNotTrusted or CracReason.ServiceNotTrusted or CracReason.FileNotTrusted or CracReason.SignatureMissing or CracReason.SignatureInvalid
            or CracReason.SignerNotAllowed or CracReason.DecryptionFailed or CracReason.RegistryNotTrusted => ErrorCategory.SecurityError,
        CracReason.ImageIncomplete or CracReason.ImageCorrupt or CracReason.ImageConsumed or CracReason.ImageOutdated or CracReason.FileChanged
            or CracReason.RandomStateRepeated or CracReason.ClockChanged or CracReason.ServiceInvalid => ErrorCategory.InvalidData,
        CracReason.FreezeTimeout or CracReason.TimedOut => ErrorCategory.OperationTimeout,
        CracReason.ProgramNotStarted => ErrorCategory.OpenError,
        CracReason.ProgramEnded or CracReason.Unknown => ErrorCategory.InvalidResult,
        CracReason.WorkerDied or CracReason.MoveUncertain => ErrorCategory.OperationStopped,
        CracReason.JvmNotAttachable or CracReason.HostUnreachable or CracReason.ConnectionLost or CracReason.RegistryUnavailable => ErrorCategory.ConnectionError,
        CracReason.NoSpace or CracReason.SealFailed or CracReason.LogFolderUnusable => ErrorCategory.WriteError,
        CracReason.LimitTooLow => ErrorCategory.LimitsExceeded,
        CracReason.ResourceUnsupported or CracReason.NamespaceUnsupported or CracReason.KernelFeatureMissing or CracReason.CpuIncompatible
            or CracReason.OwnNamespace or CracReason.JvmNotCapable or CracReason.ImageTooNew => ErrorCategory.NotImplemented,
        CracReason.ProcessNotEligible or CracReason.TcpConnectionOpen or CracReason.TerminalAttached or CracReason.FileLocksHeld
            or CracReason.FileUnlinked or CracReason.UnixSocketExternal or CracReason.ProcessTraced or CracReason.JvmRefused => ErrorCategory.InvalidOperation,
        _ => ErrorCategory.NotSpecified,
    };
}
