namespace PSCrac.Common;

/// <summary>The folder of PSCrac's persistent state: images, logs, descriptions of services, records of running processes.</summary>
internal static class StateDirectory
{
    /// <summary>The environment variable that sets the folder.</summary>
    internal const string Variable = "PSCRAC_STATE_ROOT";

    /// <summary>The folder: the value of <see cref="Variable"/>, else /var/lib/pscrac for root, else $XDG_STATE_HOME/pscrac. It need not exist.</summary>
    internal static string Path
    {
        get
        {
            if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } named)
            {
                return System.IO.Path.GetFullPath(named);
            }

            if (Environment.IsPrivilegedProcess)
            {
                return "/var/lib/pscrac";
            }

            string? state = Environment.GetEnvironmentVariable("XDG_STATE_HOME");
            return System.IO.Path.Combine(
                string.IsNullOrEmpty(state)
                    ? System.IO.Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".local", "state")
                    : state,
                "pscrac");
        }
    }
}
