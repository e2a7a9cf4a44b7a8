# Every view at 80 columns, with values that do not fit: no word is broken, only what the help says is cut, and the headers
# are the properties' names or plain words.

BeforeDiscovery {
    $path = '/opt/services/billing/releases/2026-11-27T14.05.33/lib/native/linux-x64/libSystem.Security.Cryptography.Native.OpenSsl.so'
    $command = '/usr/lib/jvm/java-25-openjdk-amd64/bin/java -Xmx4g -jar /opt/services/billing/billing.jar --spring.profiles.active=production'
    $time = [timespan]::FromMilliseconds(123456)
    $summary = [pscustomobject]@{ Count = 100; Minimum = $time; Median = $time; Percentile95 = $time; Memory = 12GB }
    $views = @(
        @{
            Type = 'CracImage'; Headers = 'Name', 'ProcessId', 'Processes', 'Memory', 'Created', 'Command'; Cut = 'Command'
            Values = @{ Name = 'nightly-billing-service-2026-11-27'; RootProcessId = 4194303; ProcessCount = 12345; Memory = 1023.9GB; Created = [datetimeoffset]::Now; Command = $command }
            Words = '4194303', '12345', 'GiB'
        }
        @{
            Type = 'CracRestoredProcess'; Headers = 'Id', 'Processes', 'RestoreTime', 'ExitCode', 'Command'; Cut = 'Command'
            Values = @{ Id = 4194303; ProcessCount = 12345; RestoreTime = $time; ExitCode = 255; Command = $command }
            Words = '4194303', '12345', '123,456', '255'
        }
        @{
            Type = 'CracMovedProcess'; Headers = 'HostName', 'State', 'ProcessId', 'Downtime', 'BytesSent', 'Command'; Cut = 'Command'
            Values = @{ HostName = 'blue.servers.example.com'; State = 'Unknown'; RemoteProcessId = 4194303; Downtime = $time; BytesSent = 1023.9GB; Command = $command }
            Words = 'Unknown', '4194303', '123,456', 'GiB'
        }
        @{
            Type = 'CracStartedProcess'; Headers = 'Id', 'State', 'ReadyTime', 'Image', 'Command'; Cut = 'Command'
            Values = @{ Id = 4194303; HasExited = $true; ExitCode = 255; ReadyTime = $time; Image = @{ Name = 'nightly billing service' }; Command = $command }
            Words = '4194303', 'exit', '255', '123,456', 'nightly', 'billing', 'service'
        }
        @{
            Type = 'CracService'; Headers = 'Name', 'State', 'ProcessId', 'Images', 'Newest', 'Command'; Cut = 'Command'
            Values = @{ Name = 'billing-service-of-the-north'; IsRunning = $true; IsRestored = $true; ProcessId = 4194303; ImageCount = 123; Image = @{ Name = '20261127-140533' }; Command = $command }
            Words = 'restored', '4194303', '123', '20261127-140533'
        }
        @{
            Type = 'CracRunningProcess'; Headers = 'Id', 'ServiceName', 'Since', 'Image', 'Command'; Cut = 'Command'
            Values = @{ Id = 4194303; ServiceName = 'billing-service-of-the-north'; Since = [datetime]::new(2026, 11, 27, 14, 5, 33); ImagePath = '/var/lib/pscrac/images/billing/20261127-140533'; Command = $command }
            Words = '4194303', '2026-11-27', '14:05', '20261127-140533'
        }
        @{
            Type = 'CracCoreDump'; Headers = 'ProcessId', 'Command', 'Threads', 'Size', 'Path'
            Values = @{ ProcessId = 4194303; Command = 'billing-service'; ThreadCount = 12345; Size = 1023.9GB; Path = $path }
            Words = '4194303', 'billing-service', '12345', 'GiB'; Whole = $path
        }
        @{
            Type = 'CracCoreDumpOmission'; Headers = 'Reason', 'Size', 'Path'
            Values = @{ Reason = 'MissingInParent'; Size = 1023.9GB; Path = $path }
            Words = 'MissingInParent', 'GiB'; Whole = $path
        }
        @{
            Type = 'CracStartupMeasurement'; Headers = 'Count', 'Cold milliseconds', 'Restored milliseconds', 'Ratio', 'Memory MiB', 'Command'; Cut = 'Command'
            Values = @{ Cold = $summary; Restored = $summary; Ratio = 123.45; Command = $command }
            Words = '100', '123456/123456/123456', '12288/12288'
        }
        @{
            Type = 'CracCapability'; Headers = 'Name', 'Available', 'Detail or RecommendedAction'
            Values = @{ Name = 'network_lock_nftables'; IsAvailable = $false; IsRequired = $true; NeededFor = 'connections that are kept, and trees with a network namespace of their own'; RecommendedAction = "Install nftables, or give criu's folder of libraries: $path" }
            Words = 'network_lock_nftables', 'MISSING', 'namespace', 'connections', 'libraries:'; Whole = $path
        }
        @{
            Type = 'CracStoredImage'; Headers = 'Tag', 'Name', 'Memory', 'StoredSize', 'Base', 'Created'
            Values = @{ Tag = 'billing-service-of-the-north'; Name = 'nightly billing'; Memory = 1023.9GB; StoredSize = 1023.9MB; Base = 'sha256:3cbfef79d58730e38354b17814c88fc2'; Created = [datetime]::new(2026, 11, 27, 14, 5, 33) }
            Words = 'nightly', 'billing', 'GiB', 'MiB', '3cbfef79d587', '2026-11-27', '14:05'
        }
        @{
            Type = 'CracStoreOptimization'; Headers = 'RemovedCount', 'FreedSize', 'KeptCount', 'Size', 'Path'
            Values = @{ RemovedCount = 123456; FreedSize = 1023.9GB; KeptCount = 1048576; Size = 1023.9MB; Path = "oci:$path" }
            Words = '123456', 'GiB', '1048576', 'MiB'; Whole = "oci:$path"
        }
        @{
            Type = 'CracImageProcess'; Headers = 'ProcessId', 'Parent', 'State', 'Threads', 'Descriptors', 'Memory', 'Command'; Cut = 'Command'
            Values = @{ ProcessId = 4194303; ParentProcessId = 4194302; State = 'Stopped'; ThreadIds = 1..4000; DescriptorCount = 1048576; Memory = 1023.9GB; Command = $command }
            Words = '4194303', '4194302', 'Stopped', '4000', '1048576', 'GiB'
        }
        @{
            Type = 'CracImageFile'; Headers = 'ProcessId', 'Descriptor', 'Kind', 'Position', 'Size', 'Path'
            Values = @{ ProcessId = 4194303; Descriptor = 1048575; Role = 'Descriptor'; Kind = 'SignalHandle'; Position = 9999999999; Size = 1023.9GB; Path = $path }
            Words = '4194303', '1048575', 'SignalHandle', '9999999999', 'GiB'; Whole = $path
        }
        @{
            Type = 'CracImageSocket'; Headers = 'ProcessId', 'Descriptor', 'Family', 'Protocol', 'State', 'Local, Remote'
            Values = @{ ProcessId = 4194303; Descriptor = 1048575; Family = 'Netlink'; Protocol = 'udplite'; State = 'Established'; Local = '192.168.100.200:65535'; Remote = '192.168.100.201:65534' }
            Words = '4194303', '1048575', 'Netlink', 'udplite', 'Established', '192.168.100.200:65535', '192.168.100.201:65534'
        }
        @{
            Type = 'CracImageMemoryArea'; Headers = 'ProcessId', 'Start', 'Size', 'Dumped', 'Protection', 'Path'
            Values = @{ ProcessId = 4194303; Start = 0x7ffffffff000; Size = 1023.9GB; Dumped = 1023.9MB; Protection = 'rwxp'; Path = $path }
            Words = '4194303', '0x7ffffffff000', 'GiB', 'MiB', 'rwxp'; Whole = $path
        }
        @{
            Type = 'CracImageMount'; Headers = 'MountId', 'Parent', 'FileSystem', 'Source', 'MountPoint'
            Values = @{ MountId = 123456; ParentMountId = 123455; FileSystem = 'fuse.glusterfs-client'; Source = 'a server with a name of words'; MountPoint = $path }
            Words = '123456', '123455', 'server', 'words'; Whole = $path
        }
        @{
            Type = 'CracImageTimer'; Headers = 'ProcessId', 'Kind', 'Remaining', 'Interval', 'Signal'
            Values = @{ ProcessId = 4194303; Kind = 'Descriptor'; Remaining = [timespan]::new(12345, 23, 59, 59, 999); Interval = [timespan]::new(365, 23, 59, 59, 999); Signal = 14 }
            Words = '4194303', 'Descriptor', '12345.23:59:59.9990000', '365.23:59:59.9990000', '14'
        }
        @{
            Type = 'CracMemoryMatch'; Headers = 'ProcessId', 'Command', 'Address', 'Area', 'Context'; Cut = 'Command', 'Context'
            Values = @{ ProcessId = 4194303; Command = $command; Address = 0x7ffffffff000; Location = '/usr/lib/libc.so.6'; ContextStart = 20; Context = 'one two three four five PASSWORD=hunter2 and more of what is around it' }
            Words = '4194303', '0x7ffffffff000', 'libc.so.6'
        }
        @{
            Type = 'CracImageDifference'; Headers = 'Kind', 'Change', 'ProcessId', 'Subject', 'Bytes, Before, After'
            Values = @{ Kind = 'MemoryArea'; Change = 'Removed'; ProcessId = 4194303; Subject = 'descriptor 1048575 of a program'; Bytes = -123456789; Before = $path; After = '192.168.100.200:65535 ESTABLISHED' }
            Words = 'MemoryArea', 'Removed', '4194303', 'descriptor', '1048575', 'program', '-123,456,789', '192.168.100.200:65535', 'ESTABLISHED'; Whole = $path
        }
        @{
            Type = 'CracImageNamespace'; Headers = 'Kind', 'Id', 'IsHost', 'ProcessIds'
            Values = @{ Kind = 'cgroup'; Id = 2147483647; IsHost = $false; ProcessIds = 4194200..4194240 }
            Words = @('cgroup', '2147483647', 'False') + @(4194200..4194239 | ForEach-Object { "$_," }) + '4194240'
        }
    )
    $tried = foreach ($view in $views) {
        foreach ($culture in '', 'en-US', 'de-DE') { $view + @{ Culture = $culture; Name = "$($view.Type)$($culture ? ", $culture" : '')" } }
    }
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $null = Enter-CracTest
    $format = [xml] [IO.File]::ReadAllText("$PSScriptRoot/../../out/PSCrac/PSCrac.Format.ps1xml")

    # The width of the window is the host's; the tests' own may be any.
    function Format-InWidth($Object, [int] $Width, [string] $Culture = '') {
        $before = [cultureinfo]::CurrentCulture
        try {
            [cultureinfo]::CurrentCulture = $Culture
            ($Object | Out-String -Width $Width).Split("`n").TrimEnd()
        }
        finally { [cultureinfo]::CurrentCulture = $before }
    }

    # The type's name comes last: set with the type, a property that the type table has too would be set through it.
    function New-Shown($Type, $Values) {
        $made = [pscustomobject] $Values
        $made.PSObject.TypeNames.Insert(0, "PSCrac.$Type")
        $made
    }
}

AfterAll {
    Exit-CracTest
}

Describe 'Tables' {
    It 'break no word of <Name>, and have the headers of its properties' -ForEach $tried {
        $lines = Format-InWidth (New-Shown $Type $Values) 80 $Culture
        ($lines | Measure-Object -Property Length -Maximum).Maximum | Should -BeLessOrEqual 80

        $head = $lines.Where({ $_ -match '^-|^ +-' }, 'First')
        $at = [array]::IndexOf($lines, $head[0])
        ($lines[$at - 1].Trim() -split ' {2,}| (?=[A-Z])' -join ' ') | Should -Be (($Headers -split ' {2,}| (?=[A-Z])') -join ' ')

        $body = $lines[($at + 1)..($lines.Count - 1)] -join "`n"
        $shown = $body -split '\s+'
        foreach ($word in $Words) {
            # Numbers of other cultures have other separators.
            if ($word -notmatch '\d,\d' -or $Culture -ne 'de-DE') { $shown | Should -Contain $word }
        }
        if ($Whole) { ($body -replace '\s') | Should -Match ([regex]::Escape($Whole.Substring(0, 12))) }
        $body.Contains('…') | Should -Be ([bool] $Cut)
        if ($Cut) { $format.SelectNodes("//View[Name='PSCrac.$Type' and TableControl]//TableColumnHeader/Label").'#text' | Should -Contain @($Cut)[-1] }
    }

    It 'have no view that is not tried here' {
        $tables = $format.SelectNodes('//View[TableControl]').Name
        $known = @($views.Type) + 'CracFinding', 'CracImageEntry' | ForEach-Object { "PSCrac.$_" }
        $tables | Where-Object { $_ -notin $known } | Should -BeNullOrEmpty
    } -ForEach @{ views = $views }

    It 'say all that a finding says, in whole words, under the tree or the image it belongs to' -ForEach '', 'en-US' {
        $finding = [PSCrac.CracFinding] @{
            Severity = 'Blocker'; ProcessId = 4194303; RootProcessId = 4194302; Reason = 'TcpConnectionOpen'; Occurrences = 16
            What = '16 tcp connections that leave the tree: 192.168.100.200:65535 ESTABLISHED (descriptor 7), 192.168.100.201:65535 ESTABLISHED (descriptor 8) and 14 more'
            Why = 'The other ends are outside the tree and will not stop and wait. Kept, the connections are blocked by firewall rules until the restore.'
            RecommendedAction = 'Give -TcpEstablished to keep them, or -TcpClose to close them; or let the program close its connections first.'
        }
        $of = [PSCrac.CracFinding] @{ Severity = 'Note'; ImagePath = '/var/lib/pscrac/images/web'; Reason = 'FileUnlinked'; What = 'one'; Why = 'Two.' }
        $lines = Format-InWidth ($finding, $of, $of) 80 $_
        ($lines | Measure-Object -Property Length -Maximum).Maximum | Should -BeLessOrEqual 80
        $shown = $lines -join "`n" -split '\s+'
        foreach ($word in "$($finding.What) $($finding.Why) $($finding.RecommendedAction)" -split ' ') { $shown | Should -Contain $word }
        $lines.Where({ $_ -match '^ +(Process|Image): ' }).ForEach({ $_.Trim() }) | Should -Be 'Process: 4194302', 'Image: /var/lib/pscrac/images/web'
    }

    It 'show a list of an image with no word broken' {
        $words = 'word', 'another', 'nineteen-characters', '--configuration=production'
        $image = New-Shown 'CracImage' @{ Name = 'web'; Command = ($words * 12) -join ' '; Options = [Collections.Generic.Dictionary[string, object]]::new() }
        $lines = (Format-InWidth ($image | Format-List) 80)
        ($lines | Measure-Object -Property Length -Maximum).Maximum | Should -BeLessOrEqual 80
        $shown = $lines -join "`n" -split '\s+'
        foreach ($word in $words) { ($shown -eq $word).Count | Should -Be 12 }
    }

    It 'break a word that is longer than its column after a separator of its own: <Text>' -ForEach @(
        @{ Text = '/usr/lib/x86_64-linux-gnu/libssl.so.3'; Width = 20; Lines = '/usr/lib/', 'x86_64-linux-gnu/', 'libssl.so.3' }
        @{ Text = 'at /usr/lib/x86_64-linux-gnu'; Width = 12; Lines = 'at', '/usr/lib/', 'x86_64-', 'linux-gnu' }
        @{ Text = 'aaaaaaaaaaaaaaaaaaaaaaaaa'; Width = 10; Lines = 'aaaaaaaaaa', 'aaaaaaaaaa', 'aaaaa' }
        @{ Text = 'one two'; Width = 3; Lines = 'one', 'two' }
        @{ Text = "one`ntwo three"; Width = 5; Lines = 'one', 'two', 'three' }
        @{ Text = ''; Width = 5; Lines = '' }
    ) {
        [PSCrac.Formatting.TableText]::Wrap($Text, $Width).Split("`n") | Should -Be $Lines
    }

    It 'stream: the first finding is shown before the second image is looked at' {
        $seen = [Collections.Generic.List[string]]::new()
        $of = [PSCrac.CracFinding] @{ Severity = 'Note'; ImagePath = '/one'; Reason = 'FileUnlinked'; What = 'one'; Why = 'Two.' }
        $null = & { $seen.Add('first'); $of; $seen.Add('second'); $of } | Out-String -Stream | ForEach-Object { $seen.Add("line $_") }
        $seen.IndexOf('second') | Should -BeGreaterThan $seen.FindIndex({ param($line) $line -like 'line *one*' })
    }
}
