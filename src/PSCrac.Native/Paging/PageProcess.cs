using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.Paging;

/// <summary>The page daemon and its guard as programs: modes of crac-start, which <see cref="PageServer"/> starts.</summary>
internal static class PageProcess
{
    /// <summary>The argument that makes crac-start one of the two.</summary>
    internal const string Argument = "--pages";

    /// <summary>The environment variable that says which one; arguments cannot, where pwsh is the host.</summary>
    internal const string ModeVariable = "PSCRAC_PAGES";

    internal const string DaemonMode = "daemon";
    internal const string GuardMode = "guard";

    /// <summary>The daemon's socket to the session, and the guard's to the daemon.</summary>
    internal const int Control = 3;

    /// <summary>The daemon's socket to its guard.</summary>
    internal const int Guard = 4;

    /// <summary>Runs the mode that the environment names; does not return.</summary>
    internal static void Run()
    {
        var control = new SafeFileHandle(Control, ownsHandle: false);
        if (Environment.GetEnvironmentVariable(ModeVariable) == GuardMode)
        {
            LibC.SetThreadName("pscrac-guard\0"u8);
            PageGuard.Run(control);
        }

        LibC.SetThreadName("pscrac-pages\0"u8);
        using var daemon = new PageDaemonLoop(control, new SafeFileHandle(Guard, ownsHandle: false));
        int code = PageDaemonLoop.Ended;
        try
        {
            code = daemon.Run();
        }
        catch (CracException e)
        {
            // The image is damaged. Who started it reads this.
            Console.Error.WriteLine(e.Message);
        }

        LibC.Exit(code);
    }
}
